import { bech32 } from '@scure/base'
import { bytesToHex, hexToBytes } from '../protocol/hex.ts'

/** NIP-19 `npub1…` of a public key (64 hex). */
export const npubOf = (pubkey: string): string => bech32.encodeFromBytes('npub', hexToBytes(pubkey))

/** The public key (64 hex) of an `npub1…`, or undefined if it is none: a wrong checksum, another prefix, another length. */
export function fromNpub(text: string): string | undefined {
  const decoded = bech32.decodeUnsafe(text)
  if (decoded?.prefix !== 'npub') return undefined
  const bytes = bech32.fromWordsUnsafe(decoded.words)
  return bytes?.length === 32 ? bytesToHex(Uint8Array.from(bytes)) : undefined
}
