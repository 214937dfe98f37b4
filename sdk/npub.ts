import { bech32 } from '@scure/base'
import { bytesToHex, hexToBytes } from '../protocol/hex.ts'

/** Characters: a key and eight addresses of 255 bytes. */
const MAX_NPROFILE = 4_000

/** NIP-19 `npub1…` of a public key (64 hex). */
export const npubOf = (pubkey: string): string => bech32.encodeFromBytes('npub', hexToBytes(pubkey))

/** NIP-19 `nprofile1…` of a public key (64 hex) and relays where mail for it is read: at most 8, of at most 255 bytes each. */
export function nprofileOf(pubkey: string, relays: readonly string[]): string {
  const named = relays.map(url => new TextEncoder().encode(url)).filter(({ length }) => length < 256)
  const entries = [[0, 32, ...hexToBytes(pubkey)], ...named.slice(0, 8).map(url => [1, url.length, ...url])]
  return bech32.encode('nprofile', bech32.toWords(Uint8Array.from(entries.flat())), MAX_NPROFILE)
}

/** NIP-19 `nprofile1…`: a public key, and relays where it may be found. Undefined if it is none. */
export function fromNprofile(
  text: string,
): { readonly pubkey: string; readonly relays: readonly string[] } | undefined {
  const decoded = bech32.decodeUnsafe(text, MAX_NPROFILE)
  const words = decoded?.prefix === 'nprofile' ? bech32.fromWordsUnsafe(decoded.words) : undefined
  const bytes = Uint8Array.from(words ?? [])
  let pubkey: string | undefined
  const relays: string[] = []
  // Type, length, value; what is of another type is for others.
  for (let at = 0; at + 2 <= bytes.length; at += 2 + (bytes[at + 1] ?? 0)) {
    const value = bytes.subarray(at + 2, at + 2 + (bytes[at + 1] ?? 0))
    if (bytes[at] === 0 && value.length === 32) pubkey ??= bytesToHex(value)
    if (bytes[at] === 1) relays.push(String.fromCharCode(...value))
  }
  return pubkey === undefined ? undefined : { pubkey, relays }
}

/** The public key (64 hex) of an `npub1…`, or undefined if it is none: a wrong checksum, another prefix, another length. */
export function fromNpub(text: string): string | undefined {
  const decoded = bech32.decodeUnsafe(text)
  if (decoded?.prefix !== 'npub') return undefined
  const bytes = bech32.fromWordsUnsafe(decoded.words)
  return bytes?.length === 32 ? bytesToHex(Uint8Array.from(bytes)) : undefined
}
