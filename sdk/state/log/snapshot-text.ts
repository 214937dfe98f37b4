import { sha256 } from '@noble/hashes/sha2.js'
import type { Cursor } from '../../../protocol/cursor.ts'
import { isEpoch } from '../../../protocol/cursor.ts'
import { byteLength } from '../../../protocol/event.ts'
import { bytesToHex, isHex64 } from '../../../protocol/hex.ts'
import { isCount, isRecord, own, parseJson } from '../../../protocol/json.ts'
import { fail, ok, type Result } from '../../../protocol/result.ts'
import { MAX_CHUNKS } from '../../../protocol/state.ts'
import { type Cover, coverJson, parseCover } from './cover.ts'

/** Content of one piece at most, UTF-8: room for its JSON escapes, and for NIP-44, below 64 KiB. */
export const CHUNK_BYTES = 30 * 1024
const MAX_LOWS = 16

/** The clear first line of a snapshot's content; the payload follows behind a line feed, unless it is in pieces. */
export interface SnapshotHeader {
  readonly cover: Cover
  /** Per relay: the position in its log below which everything is covered. A hint. */
  readonly low: ReadonlyMap<string, Cursor>
  /** sha256 of the pieces, in order. */
  readonly pieces?: readonly string[]
}

export const hashOf = (text: string): string => bytesToHex(sha256(new TextEncoder().encode(text)))

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

/** Cuts between characters. */
export function cut(text: string, bytes = CHUNK_BYTES): string[] {
  if (byteLength(text) <= bytes) return [text]
  const pieces: string[] = []
  let from = 0
  let size = 0
  let at = 0
  for (const character of text) {
    const width = byteLength(character)
    if (size + width > bytes) {
      pieces.push(text.slice(from, at))
      from = at
      size = 0
    }
    size += width
    at += character.length
  }
  pieces.push(text.slice(from))
  return pieces
}
