import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { encodeEvent, hasValidId, type NostrEvent, parseEvent } from '../../../protocol/event.ts'
import type { Matchable } from '../../../protocol/filter.ts'
import { parseJson } from '../../../protocol/json.ts'
import { toHeader } from '../entries.ts'

/** What is stored of an event beside its index columns. `sig_sum` is null in rows of an older schema. */
export interface EventText {
  readonly json: string
  readonly sig_sum: number | null
}

/** `,"sig":"` + 128 hex + `"}` ends every text that `encodeEvent` wrote. */
const SIG_PART = 138
const START = /^\{"id":"([0-9a-f]{64})","pubkey":("[0-9a-f]{64}"),"created_at":(\d+),"kind":(\d+),"tags":\[/
const END = /,"sig":"[0-9a-f]{128}"\}$/
const CONTENT = '],"content":"'

/** The id covers everything but the signature; this covers that. */
export const sigSum = (event: Pick<NostrEvent, 'sig'>): number => crc32(event.sig)

/**
 * The event of a stored row, if the text still hashes to the id it names and its signature is the one that was stored; otherwise
 * undefined: the disk, or somebody at it, has changed the row. Disks do not tell, and SQLite keeps no checksums.
 */
export function intactEvent({ json, sig_sum }: EventText): NostrEvent | undefined {
  if (sig_sum !== null && crc32(json.slice(-SIG_PART + 8, -2)) !== sig_sum) return undefined
  if (hashesToItsId(json)) return JSON.parse(json) as NostrEvent
  // Rare: the id was made by hashing control characters verbatim. Or damage.
  const value = parseJson(json)
  const event = value.ok ? parseEvent(value.value) : value
  return event.ok && encodeEvent(event.value) === json && hasValidId(event.value) ? event.value : undefined
}

/**
 * Cuts the array that NIP-01 hashes out of the stored text instead of writing it anew, which would cost more than the hash.
 * Sound because a string inside JSON cannot hold an unescaped quote, so the first `],"content":"` is the real one.
 */
function hashesToItsId(json: string): boolean {
  const start = START.exec(json)
  if (start === null || !END.test(json.slice(-SIG_PART))) return false
  const [{ length }, id, pubkey, createdAt, kind] = start
  const tagsEnd = json.indexOf(CONTENT, length - 1) + 1
  if (tagsEnd === 0) return false
  const tags = json.slice(length - 1, tagsEnd)
  const content = json.slice(tagsEnd + CONTENT.length - 2, -SIG_PART)
  return hash('sha256', `[0,${pubkey},${createdAt},${kind},${tags},${content}]`) === id
}

/** What a removal remembers of its event, or undefined if it cannot be read: it has no hash to go by, only its shape. */
export function headerOf(target: string): Matchable | undefined {
  const value = parseJson(target)
  const event = value.ok ? parseEvent({ ...(value.value as object), content: '', sig: '0'.repeat(128) }) : value
  return event.ok ? toHeader(event.value) : undefined
}
