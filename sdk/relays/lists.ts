import type { NostrEvent } from '../../protocol/event.ts'
import { INBOX_RELAYS, RELAY_LIST, supersedes } from '../../protocol/kinds.ts'
import { foreignRelay, isPrivateRelay } from './addresses.ts'

/** Relays taken from one list: a sender gives each a copy. NIP-17 and NIP-65 advise two to four. */
export const MAX_LISTED = 8

export const LIST_KINDS = [INBOX_RELAYS, RELAY_LIST] as const
export type ListKind = (typeof LIST_KINDS)[number]

export const isListKind = (kind: number): kind is ListKind => LIST_KINDS.some(list => list === kind)

/** The version of a list that was believed: enough to know whether another is newer. `relays` are as written there. */
export interface KnownList {
  readonly id: string
  readonly created_at: number
  readonly relays: readonly string[]
  /** Where its author publishes, if it says so. */
  readonly writes?: readonly string[]
}

export type KnownLists = { readonly [K in ListKind]?: KnownList }

/** Where a verified list says that its author reads, and (10002) publishes. */
export function readList({ id, created_at, kind, tags }: NostrEvent): KnownList {
  const listed = (marker: string) => {
    const wanted = tags.filter(tag =>
      kind === INBOX_RELAYS ? tag[0] === 'relay' : tag[0] === 'r' && (tag[2] === undefined || tag[2] === marker),
    )
    return [...new Set(wanted.flatMap(([, url]) => (url === undefined ? [] : [url])))].slice(0, MAX_LISTED * 2)
  }
  return { id, created_at, relays: listed('read'), ...(kind === INBOX_RELAYS ? {} : { writes: listed('write') }) }
}

/** The newest of each kind; one dated above `horizon` (seconds since 1970) was dated by a clock that was ahead, and gives way to any other. */
export function learn(
  known: KnownLists,
  events: readonly NostrEvent[],
  horizon = Number.POSITIVE_INFINITY,
): KnownLists {
  const dated = (list: Pick<NostrEvent, 'id' | 'created_at'>) =>
    list.created_at > horizon ? { id: list.id, created_at: 0 } : list
  let lists = known
  for (const event of events) {
    if (!isListKind(event.kind)) continue
    const before = lists[event.kind]
    if (before === undefined || supersedes(dated(event), dated(before)))
      lists = { ...lists, [event.kind]: readList(event) }
  }
  return lists
}

/** Where mail to the author of these lists goes: inbox relays before read relays, what must not be dialled left out. */
export function mailRelays(lists: KnownLists, allowPrivate: boolean): readonly string[] {
  for (const kind of LIST_KINDS) {
    const usable = (lists[kind]?.relays ?? []).flatMap(url => foreignRelay(url, allowPrivate) ?? [])
    if (usable.length > 0) return [...new Set(usable)].slice(0, MAX_LISTED)
  }
  return []
}

/** Where the author of these lists publishes, what must not be dialled left out. */
export const writeRelays = (lists: KnownLists, allowPrivate: boolean): readonly string[] => {
  const usable = (lists[RELAY_LIST]?.writes ?? []).flatMap(url => foreignRelay(url, allowPrivate) ?? [])
  return [...new Set(usable)].slice(0, MAX_LISTED)
}

/** Of an agent's own relays those that others may be told: nobody elsewhere can use, or should learn, addresses of this machine or network; among themselves they are all there is. */
export function announceable(urls: readonly string[]): readonly string[] {
  const open = urls.filter(url => !isPrivateRelay(url))
  return (open.length > 0 ? open : urls).slice(0, MAX_LISTED)
}

/**
 * Of an agent's own relays those that a message to a key names, which reads at `reads`: NIP-17 advises one to three. None of this machine
 * or network where the message leaves it.
 */
export const namedTo = (reads: readonly string[], urls: readonly string[]): readonly string[] =>
  (reads.every(isPrivateRelay) ? announceable(urls) : urls.filter(url => !isPrivateRelay(url))).slice(0, 3)
