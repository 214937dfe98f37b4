import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { owedOf } from '../mail/standing.ts'
import type { Copy, MailRoute } from '../mail/types.ts'
import { foreignRelay } from './addresses.ts'
import { type KnownList, type KnownLists, LIST_KINDS, mailRelays } from './lists.ts'

/** Relays that were said of one key by others: an nprofile, a contact, an internet name. */
export const MAX_HINTS = 4

/** What is known of where a key reads its mail, by who says so. All addresses may be dialled. */
export interface Whereabouts {
  /** Its own relay lists. */
  readonly listed: readonly string[]
  /** Its profile on this machine. */
  readonly local: readonly string[]
  readonly hinted: readonly string[]
}

export interface KnownOf {
  /** The text of its note in the store. */
  readonly note: string | undefined
  readonly local: readonly string[]
  /** Unchecked. */
  readonly hints: readonly string[]
  readonly allowPrivate: boolean
}

export function whereaboutsOf({ note, local, hints, allowPrivate }: KnownOf): Whereabouts {
  const told = [...new Set([...hints, ...hintsIn(note)])].slice(0, MAX_HINTS * 2)
  return {
    listed: mailRelays(listsIn(note), allowPrivate),
    local,
    hinted: told.flatMap(url => foreignRelay(url, allowPrivate) ?? []),
  }
}

/** The relays that mail for one recipient goes to. */
export interface Destinations {
  /** Where it is known to read: one of these has to have its mail. Empty: no relay of it is known. */
  readonly reads: readonly string[]
  /** Given a copy too, because what is known may be old. What these have counts only where no other is known. */
  readonly fallback: readonly string[]
}

/**
 * Where mail goes. A profile of this machine reads where this disk says, another key where its own lists say, without lists where others
 * say. Hints may be old, and a profile may be run on other relays: its lists, or without them the sender's own relays, get a copy as well.
 */
export function relaysFor({ listed, local, hinted }: Whereabouts, own: readonly string[]): Destinations {
  const reads = [local, listed].find(({ length }) => length > 0) ?? hinted
  const others = listed.length > 0 ? listed : [...hinted, ...own]
  return { reads, fallback: others.filter(url => !reads.includes(url)) }
}

/** All relays that get a copy. */
export const allOf = ({ reads, fallback }: Destinations): readonly string[] => [...reads, ...fallback]

/** Why a relay was given the mail. */
export function routeOver(url: string, { listed, local, hinted }: Whereabouts): MailRoute {
  if (listed.includes(url)) return 'inbox-relays'
  if (local.includes(url)) return 'local-profile'
  return hinted.includes(url) ? 'hint' : 'own-relays'
}

/** From the one that says most. */
const ROUTES: readonly MailRoute[] = ['inbox-relays', 'local-profile', 'hint', 'own-relays']

/** Of the copies that count and that relays have, the one that says most. */
export function bestCopy(copies: readonly Copy[], routeOf: (url: string) => MailRoute): Partial<Copy> & Routed {
  const stored = owedOf(copies).flatMap(copy =>
    copy.state === 'stored' ? [{ ...copy, route: routeOf(copy.relay) }] : [],
  )
  return ROUTES.flatMap(route => stored.filter(copy => copy.route === route))[0] ?? { route: 'own-relays' }
}

interface Routed {
  readonly route: MailRoute
}

/** A note as it is kept: our own text, but perhaps from another version. */
export const noteText = (lists: KnownLists, hints: readonly string[]): string =>
  JSON.stringify({ ...lists, ...(hints.length > 0 ? { hints } : {}) })

export function listsIn(note: string | undefined): KnownLists {
  const record = recordIn(note)
  const lists: { -readonly [K in keyof KnownLists]: KnownLists[K] } = {}
  for (const kind of LIST_KINDS) {
    const list = own(record, String(kind))
    if (isKnownList(list)) lists[kind] = list
  }
  return lists
}

export function hintsIn(note: string | undefined): readonly string[] {
  const hints = own(recordIn(note), 'hints')
  return Array.isArray(hints) && isTexts(hints) ? hints.slice(0, MAX_HINTS) : []
}

function recordIn(note: string | undefined): Record<string, unknown> {
  const json = parseJson(note ?? '')
  return json.ok && isRecord(json.value) ? json.value : {}
}

const isKnownList = (value: unknown): value is KnownList =>
  isRecord(value) &&
  typeof own(value, 'id') === 'string' &&
  typeof own(value, 'created_at') === 'number' &&
  isTexts(value.relays) &&
  (own(value, 'writes') === undefined || isTexts(own(value, 'writes')))

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(url => typeof url === 'string')
