import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, isHex, isHex64 } from './hex.ts'
import { isCount, isRecord, own, parseJson } from './json.ts'
import { fail, ok, type Result } from './result.ts'

export type Tag = readonly string[]

/** What an author decides before signing. */
export interface EventTemplate {
  readonly kind: number
  readonly created_at: number
  readonly tags: readonly Tag[]
  readonly content: string
}

/** A NIP-01 event as our own frozen object of exactly these fields; nothing a peer sent is ever passed on by reference. */
export interface NostrEvent extends EventTemplate {
  readonly id: string
  readonly pubkey: string
  readonly sig: string
}

const utf8 = new TextEncoder()
/** Size in UTF-8 bytes. */
export const byteLength = (text: string): number => utf8.encode(text).length

/** Whether a text is longer than `bytes` in UTF-8; encodes it only where its length does not tell. */
export const exceedsBytes = (text: string, bytes: number): boolean =>
  text.length > bytes || (text.length * 3 > bytes && byteLength(text) > bytes)

/**
 * Shape only: types, lengths, ranges, well-formed Unicode. The id is {@link hasValidId}'s matter, the signature `signature.ts`'s.
 * Unknown fields are dropped; of a duplicate key JSON keeps the last; inherited and `__proto__` keys never answer.
 */
export function parseEvent(value: unknown): Result<NostrEvent> {
  if (!isRecord(value)) return fail('event is not an object')
  const id = own(value, 'id')
  const pubkey = own(value, 'pubkey')
  const created_at = own(value, 'created_at')
  const kind = own(value, 'kind')
  const content = own(value, 'content')
  const sig = own(value, 'sig')
  if (!isHex64(id)) return fail('event.id is not 64 lowercase hex characters')
  if (!isHex64(pubkey)) return fail('event.pubkey is not 64 lowercase hex characters')
  if (!isCount(created_at)) return fail('event.created_at is not a whole number of seconds')
  if (!isCount(kind) || kind > 65_535) return fail('event.kind is not an integer between 0 and 65535')
  if (typeof content !== 'string') return fail('event.content is not a string')
  if (!content.isWellFormed()) return fail('event.content has a lone surrogate, which UTF-8 cannot carry')
  if (!isHex(sig, 128)) return fail('event.sig is not 128 lowercase hex characters')
  const tags = parseTags(own(value, 'tags'))
  if (!tags.ok) return tags
  return ok(Object.freeze({ id, pubkey, created_at: created_at + 0, kind: kind + 0, tags: tags.value, content, sig }))
}

/** As {@link parseEvent}, of the text of an event. */
export function parseEventText(text: string): Result<NostrEvent> {
  const json = parseJson(text)
  return json.ok ? parseEvent(json.value) : json
}

function parseTags(value: unknown): Result<readonly Tag[]> {
  if (!Array.isArray(value)) return fail('event.tags is not an array')
  const tags: Tag[] = []
  for (const tag of value) {
    if (!Array.isArray(tag) || tag.length === 0)
      return fail('event.tags holds something other than non-empty arrays of strings')
    for (const element of tag) {
      if (typeof element !== 'string') return fail('event.tags holds something other than non-empty arrays of strings')
      if (!element.isWellFormed()) return fail('event.tags has a lone surrogate, which UTF-8 cannot carry')
    }
    tags.push(Object.freeze([...tag]))
  }
  return ok(Object.freeze(tags))
}

/** The array whose hash is the id (NIP-01), as compact JSON: control characters outside NIP-01's seven are `\u00xx`, as JSON demands. */
const idText = (pubkey: string, e: EventTemplate): string =>
  JSON.stringify([0, pubkey, e.created_at, e.kind, e.tags, e.content])

const sha256Hex = (text: string): string => bytesToHex(sha256(utf8.encode(text)))

/** The id of a template under an author: sha256 over the canonical array. */
export const eventId = (pubkey: string, template: EventTemplate): string => sha256Hex(idText(pubkey, template))

// Walks escape by escape, so that an escaped backslash before "u0001" is never mistaken for a control character.
const withControlsVerbatim = (text: string): string =>
  text.replace(/\\(?:u00([01][0-9a-f])|.)/g, (sequence, code: string | undefined) =>
    code === undefined ? sequence : String.fromCharCode(Number.parseInt(code, 16)),
  )

/**
 * True if the id is the hash of the parsed values. Every deployed signer hashes real JSON; a byte-verbatim reading of NIP-01
 * gives another hash when control characters occur, so that one is accepted too (docs/protocol.md, "Event ids").
 */
export function hasValidId(event: NostrEvent): boolean {
  const text = idText(event.pubkey, event)
  if (sha256Hex(text) === event.id) return true
  const verbatim = withControlsVerbatim(text)
  return verbatim !== text && sha256Hex(verbatim) === event.id
}

/** Texts of events that can no longer change. */
const texts = new WeakMap<NostrEvent, string>()

/**
 * The one JSON text we store and send for an event; fields in NIP-01's order. Written once for an event that {@link parseEvent}
 * made: whoever asks again, on the event's way from the socket to the disk and to its subscribers, gets the same text.
 */
export function encodeEvent(event: NostrEvent): string {
  const known = texts.get(event)
  if (known !== undefined) return known
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  const text = JSON.stringify({ id, pubkey, created_at, kind, tags, content, sig })
  if (isDeepFrozen(event)) texts.set(event, text)
  return text
}

const isDeepFrozen = (event: NostrEvent): boolean =>
  Object.isFrozen(event) && Object.isFrozen(event.tags) && event.tags.every(tag => Object.isFrozen(tag))

/** The first value of the first tag of that name, or undefined. */
export function tagValue(event: { readonly tags: readonly Tag[] }, name: string): string | undefined {
  for (const tag of event.tags) if (tag[0] === name) return tag[1]
  return undefined
}

/** The first values of all tags of that name. */
export const tagValues = (event: { readonly tags: readonly Tag[] }, name: string): string[] =>
  event.tags.flatMap(tag => (tag[0] === name && tag[1] !== undefined ? [tag[1]] : []))

/** The NIP-40 deadline in seconds, or undefined when there is none or it is not a whole number. */
export function expirationOf(event: { readonly tags: readonly Tag[] }): number | undefined {
  const value = tagValue(event, 'expiration')
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
