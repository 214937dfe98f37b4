import { SharedText } from './shared-text.ts'

/** Texts as UTF-8 one behind the other: they go to another thread without being copied, and into a socket without being decoded. */
export interface PackedTexts {
  readonly bytes: Uint8Array
  /** Where each one ends. */
  readonly ends: Uint32Array
}

/** A text as UTF-8 among others. */
export interface TextBytes {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

export function packTexts(texts: readonly (string | TextBytes)[]): PackedTexts {
  const ends = new Uint32Array(texts.length)
  let size = 0
  for (const [index, text] of texts.entries()) {
    size += typeof text === 'string' ? Buffer.byteLength(text) : text.end - text.start
    ends[index] = size
  }
  // Memory of its own, so that it can be given away.
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const [index, text] of texts.entries()) {
    const end = ends[index] ?? at
    if (typeof text !== 'string') text.bytes.copy(bytes, at, text.start, text.end)
    // As many bytes as characters: ASCII, which is copied without a look at it.
    else bytes.write(text, at, end - at === text.length ? 'latin1' : 'utf8')
    at = end
  }
  return { bytes, ends }
}

/** The texts, which share the memory they were packed into. */
export function* textsIn({ bytes, ends }: PackedTexts): Generator<SharedText, undefined> {
  let at = 0
  for (const end of ends) {
    yield new SharedText(bytes.subarray(at, end))
    at = end
  }
  return undefined
}

export const unpackTexts = (packed: PackedTexts): string[] => Array.from(textsIn(packed), ({ text }) => text)
