import type { PackedTexts } from './packed-texts.ts'
import type { SharedText } from './shared-text.ts'

/** Messages that begin and end alike, one for each of many texts that lie together: the head, a text, a comma and its number if there are any, the tail. */
export interface FrameRun {
  readonly head: SharedText
  readonly texts: PackedTexts
  readonly numbers?: Float64Array
  /** ASCII. */
  readonly tail: string
}

/** The messages one by one, for transports that gain nothing by having them together. */
export function* messagesOf({ head, texts: { bytes, ends }, numbers, tail }: FrameRun): Generator<string, undefined> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  for (const [index, end] of ends.entries()) {
    const number = numbers === undefined ? '' : `,${numbers[index] ?? 0}`
    yield `${head.text}${all.toString('utf8', at, end)}${number}${tail}`
    at = end
  }
  return undefined
}
