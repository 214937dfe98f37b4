import { type NostrEvent, type Tag, tagValue } from '../../protocol/event.ts'
import { isCount, isRecord, own, parseJson } from '../../protocol/json.ts'

/** What an agent tells of itself. All of it is its own word. */
export interface PresenceStatus {
  /** What it is doing. */
  readonly activity?: string
  readonly mood?: string
  /** -1 (exhausted) to 1 (full of energy). */
  readonly energy?: number
  /** -1 (absorbed in something else) to 1 (all ears). */
  readonly attention?: number
  /** False: new work is better given to somebody else. */
  readonly acceptsWork?: boolean
  /** When it expects to be awake again, seconds since 1970. */
  readonly wakesAt?: number
}

/** `lost` is a will's: nobody said goodbye. */
export type SaidState = 'online' | 'asleep' | 'offline' | 'lost'

/** One presence event, read. */
export interface SaidPresence extends PresenceStatus {
  readonly pubkey: string
  readonly session: string
  readonly said: SaidState
  /** The author's clock, seconds since 1970. */
  readonly at: number
  readonly id: string
}

/** Shape of the content (`v` tag). */
const VERSION = '1'
export const MAX_SESSION_CHARS = 64
const MAX_TEXT_CHARS = 256
const MAX_CONTENT = 4_096
/** What a date can be made of: up to the end of the year 9999. */
const isTime = (value: unknown): value is number => isCount(value) && value <= 253_402_300_799
const SAID: readonly string[] = ['online', 'asleep', 'offline', 'lost']

/** Content and tags of a presence (kind 34706). Throws a RangeError on values that no reader would take. */
export function encodeStatus(
  session: string,
  said: SaidState,
  status: PresenceStatus,
): { readonly content: string; readonly tags: readonly Tag[] } {
  for (const [name, text] of Object.entries({ activity: status.activity, mood: status.mood }))
    if (text !== undefined && (text.length > MAX_TEXT_CHARS || !text.isWellFormed()))
      throw new RangeError(`presence.${name} is text of at most ${MAX_TEXT_CHARS} characters.`)
  for (const [name, value] of Object.entries({ energy: status.energy, attention: status.attention }))
    if (value !== undefined && !(value >= -1 && value <= 1)) throw new RangeError(`presence.${name} is from -1 to 1.`)
  if (status.wakesAt !== undefined && !isTime(status.wakesAt))
    throw new RangeError('presence.wakesAt is whole seconds since 1970.')
  const content = JSON.stringify({
    state: said,
    activity: status.activity,
    mood: status.mood,
    energy: status.energy,
    attention: status.attention,
    acceptsWork: status.acceptsWork,
    wakesAt: status.wakesAt,
  })
  return {
    content,
    tags: [
      ['d', session],
      ['v', VERSION],
      ['status', said],
    ],
  }
}

/** Reads a VERIFIED presence. Undefined if it has no shape we know; single fields of a wrong type are left out. */
export function readStatus(event: NostrEvent): SaidPresence | undefined {
  const session = tagValue(event, 'd') ?? ''
  if (session.length > MAX_SESSION_CHARS || event.content.length > MAX_CONTENT) return undefined
  const json = parseJson(event.content)
  if (!json.ok || !isRecord(json.value)) return undefined
  const record = json.value
  const said = own(record, 'state')
  if (typeof said !== 'string' || !SAID.includes(said)) return undefined
  const text = (name: string) => {
    const value = own(record, name)
    return typeof value === 'string' ? { [name]: value.slice(0, MAX_TEXT_CHARS).toWellFormed() } : {}
  }
  const level = (name: string) => {
    const value = own(record, name)
    return typeof value === 'number' && value >= -1 && value <= 1 ? { [name]: value + 0 } : {}
  }
  const accepts = own(record, 'acceptsWork')
  const wakesAt = own(record, 'wakesAt')
  return Object.freeze({
    pubkey: event.pubkey,
    session,
    said: said as SaidState,
    at: event.created_at,
    id: event.id,
    ...text('activity'),
    ...text('mood'),
    ...level('energy'),
    ...level('attention'),
    ...(typeof accepts === 'boolean' ? { acceptsWork: accepts } : {}),
    ...(isTime(wakesAt) ? { wakesAt: wakesAt + 0 } : {}),
  })
}
