import { isCount, isRecord, MAX_DEPTH, own, parseJson, plainJson } from '../../../protocol/json.ts'
import { isSession } from '../../../protocol/state.ts'
import type { Signer } from '../../identity/signer.ts'
import { cut } from '../log/snapshot-text.ts'
import type { Codec } from '../log/types.ts'
import { type Entry, type Json, type OwnedRecord, recordOf } from './record.ts'

/** Bytes of one key, and of one value as JSON. */
export const MAX_KEY_BYTES = 256
export const MAX_VALUE_BYTES = 16 * 1024
/** Keys of one record. */
export const MAX_KEYS = 10_000

/** A delta: a flat JSON merge patch (RFC 7396), `null` removes. Its version stands in the event's tags. */
export type Changes = ReadonlyMap<string, Json>

function changesOf(text: string): Changes {
  const json = parseJson(text)
  if (!json.ok || !isRecord(json.value)) throw new TypeError('a delta of owned state is a JSON object')
  return new Map(valuesOf(json.value))
}

function valuesOf(record: Record<string, unknown>): [string, Json][] {
  return Object.entries(record).map(([key, each]) => {
    const value = plainJson(each)
    if (value === undefined) throw new TypeError(`a value is nested at most ${MAX_DEPTH} deep`)
    return [key, value as Json]
  })
}

/** `{"base": …, "s": [sessions], "e": [[index of session, n, {key: value}], …]}`: entries of one version stand together. */
export function encodeRecord({ base, entries }: OwnedRecord): string {
  const sessions = [...new Set([...entries.values()].map(({ session }) => session))].sort()
  const groups = new Map<string, [number, number, Record<string, Json>]>()
  for (const [key, { session, n, value }] of entries) {
    const name = `${session} ${n}`
    const group = groups.get(name) ?? [sessions.indexOf(session), n, Object.create(null) as Record<string, Json>]
    group[2][key] = value
    groups.set(name, group)
  }
  return JSON.stringify({ ...(base === '' ? {} : { base }), s: sessions, e: [...groups.values()] })
}

export function decodeRecord(text: string): OwnedRecord {
  const json = parseJson(text)
  const value = json.ok && isRecord(json.value) ? json.value : {}
  const [base = '', sessions, groups] = ['base', 's', 'e'].map(field => own(value, field))
  const isBase = base === '' || isSession(base)
  if (!isBase || !Array.isArray(sessions) || !sessions.every(isSession) || !Array.isArray(groups))
    throw new TypeError('not a record of owned state')
  const entries = new Map<string, Entry>()
  for (const group of groups as unknown[]) {
    const [index, n, values] = Array.isArray(group) ? (group as unknown[]) : []
    const session = (sessions as string[])[Number(index)]
    if (session === undefined || !isCount(n) || !isRecord(values)) throw new TypeError('not a record of owned state')
    for (const [key, each] of recordOf({ session, n }, valuesOf(values)).entries) entries.set(key, each)
    if (entries.size > MAX_KEYS) throw new TypeError('more keys than a record may have')
  }
  return { base, entries }
}

export interface OwnedCodecs {
  readonly delta: Codec<Changes>
  readonly snapshot: Codec<OwnedRecord>
}

export const publicCodecs: OwnedCodecs = {
  delta: { encode: changes => JSON.stringify(Object.fromEntries(changes)), decode: changesOf },
  snapshot: { encode: encodeRecord, decode: decodeRecord },
}

/** Pieces of one text at most; a snapshot has no room for more. */
const MAX_PIECES = 64
/** Clear text of one piece, with what stands before it, UTF-8: NIP-44 pads it to itself. */
const PIECE_BYTES = 48 * 1024

/**
 * For the author's own eyes: NIP-44 to the own key, with the event's place inside, so that a relay cannot pass an old text off as a
 * new one. What NIP-44 does not hold in one is sealed in pieces, a line each, that say which one of how many they are.
 */
export function privateCodecs(signer: Signer): OwnedCodecs {
  type Where = Parameters<Codec<Changes>['encode']>[1]
  const placeOf = ({ kind, o, session, n }: Where, index: number, count: number) =>
    `${kind} ${o} ${session} ${n}${count === 1 ? '' : ` ${index}/${count}`}\n`

  async function seal(text: string, place: Where): Promise<string> {
    const longest = placeOf(place, MAX_PIECES, MAX_PIECES).length
    const pieces = cut(text, PIECE_BYTES - longest)
    const sealed: string[] = []
    // One after the other: a key elsewhere may ask a person.
    for (const [index, piece] of pieces.entries())
      sealed.push(await signer.encrypt(placeOf(place, index, pieces.length) + piece, signer.pubkey))
    return sealed.join('\n')
  }

  async function open(content: string, place: Where): Promise<string> {
    const sealed = content.split('\n')
    if (sealed.length > MAX_PIECES) throw new TypeError('more pieces than it may have')
    const opened: string[] = []
    for (const [index, piece] of sealed.entries()) {
      const text = await signer.decrypt(piece, signer.pubkey)
      const before = placeOf(place, index, sealed.length)
      if (!text.startsWith(before)) throw new TypeError('it was sealed for another place')
      opened.push(text.slice(before.length))
    }
    return opened.join('')
  }

  const sealed = <P>({ encode, decode }: Codec<P>): Codec<P> => ({
    encode: async (payload, place) => seal(await encode(payload, place), place),
    decode: async (content, place) => decode(await open(content, place), place),
  })
  return { delta: sealed(publicCodecs.delta), snapshot: sealed(publicCodecs.snapshot) }
}
