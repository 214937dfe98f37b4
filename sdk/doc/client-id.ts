import { sha256 } from '@noble/hashes/sha2.js'

const utf8 = new TextEncoder()

/**
 * The Yjs client id of one session of an author in one generation of a document: the first 53 bits of a hash over who, where and
 * when, so that nobody can write under another's, and a restored or cloned agent never repeats one of its own.
 */
export function clientIdOf(author: string, log: string, session: string): number {
  const hash = sha256(utf8.encode(JSON.stringify(['posthorn-client', author, log, session])))
  const view = new DataView(hash.buffer, hash.byteOffset)
  // 24 bits, and 29 of the 32 behind them.
  return (view.getUint32(0) >>> 8) * 2 ** 29 + (view.getUint32(3) >>> 3)
}
