import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { encodeEvent, hasValidId, type NostrEvent, parseEvent } from '../../../protocol/event.ts'
import type { Matchable } from '../../../protocol/filter.ts'
import { parseJson } from '../../../protocol/json.ts'
import { addressOf, kindClass } from '../../../protocol/kinds.ts'
import { toHeader } from '../entries.ts'

/** A stored event: its text, and the columns that its checksum covers. */
export interface EventRow {
  readonly seq: number
  readonly created_at: number
  readonly kind: number
  readonly expires_at: number | null
  readonly sum: string
  /** One flipped bit can make it NULL; nothing intact is. */
  readonly json: string
}
export const ROW_COLUMNS = 'seq, created_at, kind, expires_at, sum, json'

/** 66 bits of base64: enough that damage does not pass by chance, and half a hash to store. */
export const SUM_CHARS = 11

/** The checksum of a row: sha256 over the text as it is sent and the columns that reads go by. */
export const rowSum = ({ seq, created_at, kind, expires_at, json }: Omit<EventRow, 'sum'>): string =>
  hash('sha256', `${seq},${created_at},${kind},${expires_at ?? ''},${json}`, 'base64').slice(0, SUM_CHARS)

/**
 * A row as one text: what its checksum covers and, at the end, the checksum. Each further column would cost the reader as much as all of this.
 * Of a column that damage has made NULL it takes nothing, where `||` would make a NULL of it all.
 */
export const SQL_ROW = `format('%d,%d,%d,%s,%s%s', e.seq, e.created_at, e.kind, e.expires_at, e.json, e.sum)`

/** A row that was read for sending. Not to be believed unless `intact`. */
export interface ReadRow extends Omit<EventRow, 'sum'> {
  readonly intact: boolean
}

const COMMA = 44
const ZERO = 48

/** Takes an {@link SQL_ROW} apart. Of a damaged row only the seq means anything. */
export function readRow(text: string): ReadRow {
  const end = text.length - SUM_CHARS
  const intact = hash('sha256', text.slice(0, end), 'base64').startsWith(text.slice(end)) && end > 0
  let at = 0
  /** Digits up to the next comma; null where there are none. */
  const next = (): number | null => {
    const from = at
    let number = 0
    for (; at < text.length && text.charCodeAt(at) !== COMMA; at += 1) number = number * 10 + text.charCodeAt(at) - ZERO
    at += 1
    return at - 1 === from ? null : number
  }
  const seq = next() ?? 0
  const created_at = next() ?? 0
  const kind = next() ?? 0
  const expires_at = next()
  return { seq, created_at, kind, expires_at, json: text.slice(at, end), intact }
}

/** False if the disk, or somebody at it, has changed the row. Disks do not tell, and SQLite keeps no checksums. */
export const isIntact = (row: EventRow): boolean => rowSum(row) === row.sum

/** The event of a row, or undefined if the row is damaged. */
export const eventOf = (row: EventRow): NostrEvent | undefined => (isIntact(row) ? eventOfIntact(row) : undefined)

/** The event of a row that is known to be intact. */
export const eventOfIntact = ({ json }: Pick<EventRow, 'json'>): NostrEvent => JSON.parse(json) as NostrEvent

/** What tells whether a replaced event's successor is in the same batch; most kinds have none, and their text is not read. */
export const addressIn = (row: Pick<ReadRow, 'kind' | 'json'>): string | undefined =>
  kindClass(row.kind) === 'regular' ? undefined : addressOf(eventOfIntact(row))

/** Like {@link eventOf}, and the text still hashes to its id: for what decides on removing something. */
export const provenEvent = (row: EventRow): NostrEvent | undefined =>
  isIntact(row) ? eventOfText({ json: row.json, sig_sum: null }) : undefined

/** `{"id":"` and `","pubkey":"` stand before these in every text that `encodeEvent` wrote. */
const ID_AT = 7
const PUBKEY_AT = 83
export const idIn = (json: string | null): string => json?.slice(ID_AT, ID_AT + 64) ?? ''
export const pubkeyIn = (json: string | null): string => json?.slice(PUBKEY_AT, PUBKEY_AT + 64) ?? ''
/** The same for SQL, which counts from 1. */
export const SQL_ID = `substr(e.json, ${ID_AT + 1}, 64)`
export const SQL_PUBKEY = `substr(e.json, ${PUBKEY_AT + 1}, 64)`

/**
 * What an event's text holds if it has this tag, and no other text: inside a JSON string every quote is escaped, so a bracket
 * with a bare quote behind it and a letter behind that is the start of a tag.
 */
export const tagNeedle = (name: string, value: string): string => `["${name}",${JSON.stringify(value)}`

/** A row as schemas 1 to 5 had it; `sig_sum` is null in rows of the first three. */
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

/** The event of a text that hashes to the id it names and whose signature is the one that was stored. */
export function eventOfText({ json, sig_sum }: EventText): NostrEvent | undefined {
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
