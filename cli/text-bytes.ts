import { readFileSync } from 'node:fs'
import { UsageError } from './errors.ts'

/** What to do with bytes where a text is wanted. */
const ADVICE = 'convert it to UTF-8 (iconv -t UTF-8), encode it (base64), or send a link to it'

/**
 * Bytes as text. Throws UsageError unless they are UTF-8: decoding anyway would put U+FFFD in place of what is not, and nobody would
 * notice. A byte order mark is left out unless `keepMark`.
 */
export function decodeText(bytes: Uint8Array, what: string, { keepMark = false } = {}): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: keepMark }).decode(bytes)
  } catch {
    throw new UsageError(`${what} is not text: byte ${firstBad(bytes) + 1} is not UTF-8`, ADVICE)
  }
}

/** For what is read as JSON or as one word: no byte order mark belongs to that. */
export const withoutMark = (text: string): string => text.replace(/^\ufeff/, '')

/** A whole file as text, see {@link decodeText}. */
export const readTextFile = (path: string, options?: { readonly keepMark?: boolean }): string =>
  decodeText(readFileSync(path), path, options)

/** Node decodes arguments as they come; on Linux the bytes can still be seen. Throws UsageError if one is not UTF-8. */
export function checkArguments(argv: readonly string[]): void {
  if (!argv.some(text => text.includes('\ufffd'))) return
  let bytes: Uint8Array
  try {
    bytes = readFileSync('/proc/self/cmdline')
  } catch {
    return
  }
  decodeText(bytes, 'an argument')
}

/** Where decoding stops, by halves. */
function firstBad(bytes: Uint8Array): number {
  let [low, high] = [0, bytes.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isStart(bytes.subarray(0, middle + 1))) low = middle + 1
    else high = middle
  }
  return Math.min(low, bytes.length - 1)
}

/** Text so far: what is cut at the end may go on. */
function isStart(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}
