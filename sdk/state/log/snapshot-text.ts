import { sha256 } from '@noble/hashes/sha2.js'
import type { Cursor } from '../../../protocol/cursor.ts'
import { isEpoch } from '../../../protocol/cursor.ts'
import { bytesToHex, isHex64 } from '../../../protocol/hex.ts'
import { isCount, isRecord, own, parseJson } from '../../../protocol/json.ts'
import { fail, ok, type Result } from '../../../protocol/result.ts'
import { MAX_CHUNKS } from '../../../protocol/state.ts'
import { type Cover, coverJson, parseCover } from './cover.ts'

/** Content of one piece at most, UTF-8: room for its JSON escapes, and for NIP-44, below 64 KiB. */
export const CHUNK_BYTES = 30 * 1024
const MAX_LOWS = 16
const utf8 = new TextEncoder()
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const isInsideCharacter = (byte = 0): boolean => (byte & 0b1100_0000) === 0b1000_0000

/** The clear first line of a snapshot's content; the payload follows behind a line feed, unless it is in pieces. */
export interface SnapshotHeader {
  readonly cover: Cover
  /** Per relay: the position in its log below which everything is covered. A hint. */
  readonly low: ReadonlyMap<string, Cursor>
  /** sha256 of the pieces, in order. */
  readonly pieces?: readonly string[]
}

export const hashOf = (text: string): string => bytesToHex(sha256(utf8.encode(text)))

export function encodeSnapshot({ cover, low, pieces }: SnapshotHeader, self: string, payload: string): string {
  const header = {
    cover: coverJson(cover, self),
    ...(low.size === 0 ? {} : { low: Object.fromEntries([...low].map(([url, at]) => [url, [at.epoch, at.seq]])) }),
    ...(pieces === undefined ? {} : { pieces }),
  }
  return `${JSON.stringify(header)}\n${payload}`
}

export function parseSnapshotText(
  content: string,
  self: string,
): Result<SnapshotHeader & { readonly payload: string }> {
  const end = content.indexOf('\n')
  const json = parseJson(end < 0 ? content : content.slice(0, end))
  if (!json.ok || !isRecord(json.value)) return fail('the first line is no JSON object')
  const cover = parseCover(own(json.value, 'cover'), self)
  if (!cover.ok) return cover
  const pieces = own(json.value, 'pieces')
  const given = Array.isArray(pieces) ? (pieces as unknown[]) : undefined
  if (given && (given.length === 0 || given.length > MAX_CHUNKS || !given.every(isHex64)))
    return fail('pieces are no list of hashes')
  return ok({
    cover: cover.value,
    low: lowsOf(own(json.value, 'low')),
    ...(given ? { pieces: given as string[] } : {}),
    payload: end < 0 ? '' : content.slice(end + 1),
  })
}

/** A hint: what is not understood of it is passed over. */
function lowsOf(value: unknown): Map<string, Cursor> {
  const lows = new Map<string, Cursor>()
  if (!isRecord(value)) return lows
  for (const [url, at] of Object.entries(value).slice(0, MAX_LOWS)) {
    const [epoch, seq] = Array.isArray(at) ? (at as unknown[]) : []
    if (isEpoch(epoch) && isCount(seq) && seq > 0) lows.set(url, { epoch, seq })
  }
  return lows
}

/** Cuts between characters, in time linear in the length. */
export function cut(text: string, bytes = CHUNK_BYTES): string[] {
  const encoded = utf8.encode(text)
  const pieces: string[] = []
  for (let from = 0; from < encoded.length || pieces.length === 0; ) {
    let to = Math.min(encoded.length, from + bytes)
    while (to < encoded.length && isInsideCharacter(encoded[to])) to -= 1
    pieces.push(utf8Strict.decode(encoded.subarray(from, to)))
    from = to
  }
  return pieces
}
