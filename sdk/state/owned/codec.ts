import { isCount, isRecord, own, parseJson } from '../../../protocol/json.ts'
import { isSession } from '../../../protocol/state.ts'
import type { Signer } from '../../identity/signer.ts'
import { andThen } from '../../identity/signer.ts'
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
  return new Map(Object.entries(json.value) as [string, Json][])
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
    for (const [key, each] of recordOf({ session, n }, Object.entries(values) as [string, Json][]).entries)
      entries.set(key, each)
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

/**
 * For the author's own eyes: NIP-44 to the own key, with the event's place inside, so that a relay cannot pass an old text off as a
 * new one.
 */
export function privateCodecs(signer: Signer): OwnedCodecs {
  const placeOf = (place: Parameters<Codec<Changes>['encode']>[1]) =>
    `${place.kind} ${place.o} ${place.session} ${place.n}`
  const sealed = <P>({ encode, decode }: Codec<P>): Codec<P> => ({
    encode: (payload, place) =>
      andThen(encode(payload, place), text => signer.encrypt(`${placeOf(place)}\n${text}`, signer.pubkey)),
    decode: (content, place) =>
      andThen(signer.decrypt(content, signer.pubkey), text => {
        const end = text.indexOf('\n')
        if (text.slice(0, end) !== placeOf(place)) throw new TypeError('it was sealed for another place')
        return decode(text.slice(end + 1), place)
      }),
  })
  return { delta: sealed(publicCodecs.delta), snapshot: sealed(publicCodecs.snapshot) }
}
