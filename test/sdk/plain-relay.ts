import { hexToBytes, type NostrEvent } from 'posthorn/protocol'
import { packStubs, RecordSet, respond } from '#dist/protocol/negentropy/index.js'
import { type Peer, scriptedRelay } from './scripted-relay.ts'

type Filter = {
  since_seq?: number
  since?: number
  until?: number
  limit?: number
  ids?: string[]
  kinds?: number[]
  authors?: string[]
  '#p'?: string[]
}

/** How a relay without a log answers, and where it breaks the rules. */
export interface PlainManners {
  /** Events it gives at once, whatever it is asked for; default 500. */
  readonly cap?: number
  /** Which it gives first. `oldest-sorted`: the oldest, in NIP-01's order. Default `newest`. */
  readonly order?: 'newest' | 'oldest' | 'oldest-sorted' | 'any'
  readonly ignores?: readonly ('until' | 'since' | 'kinds' | 'limit')[]
  /** EOSE after so many events; the rest of the page follows it. */
  readonly eoseAfter?: number
  /** Each event so often. */
  readonly copies?: number
  /** NIP-67. */
  readonly hints?: boolean
  /** NIP-77. `hangs-up`: it closes the connection when it is asked. */
  readonly reconciles?: boolean | 'hangs-up'
  /** NIP-45. `capped`: no further than it gives. */
  readonly counts?: boolean | 'capped'
  /** Says nothing to what it does not know, as many relays do. */
  readonly silent?: boolean
  /** Refuses what names no recipient; `lists`: unless it is about kinds; `mail`: what names authors or one kind alone as well. */
  readonly private?: boolean | 'lists' | 'mail'
}

const NEWEST_FIRST = (a: NostrEvent, b: NostrEvent) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1)
const byId = (a: NostrEvent, b: NostrEvent) => (a.id.slice(9) < b.id.slice(9) ? -1 : 1)

/** A relay of the ordinary kind, and some of the less ordinary: what a client asks beside REQ goes unanswered unless it is told to know it. */
export function plainRelay(events: NostrEvent[], manners: PlainManners = {}) {
  const { cap = 500, order = 'newest', ignores = [], copies = 1 } = manners
  const live = new Map<Peer, string>()
  const negotiations = new Map<string, RecordSet>()
  const heeds = (what: NonNullable<PlainManners['ignores']>[number]) => !ignores.includes(what)

  function matching(filter: Filter): NostrEvent[] {
    return events.filter(
      event =>
        (!heeds('since') || event.created_at >= (filter.since ?? 0)) &&
        (!heeds('until') || event.created_at <= (filter.until ?? Number.POSITIVE_INFINITY)) &&
        (!heeds('kinds') || (filter.kinds?.includes(event.kind) ?? true)) &&
        (filter.authors?.includes(event.pubkey) ?? true) &&
        (filter.ids?.includes(event.id) ?? true) &&
        (filter['#p'] === undefined ||
          event.tags.some(([name, value]) => name === 'p' && filter['#p']?.includes(value ?? ''))),
    )
  }

  function isRefused(filter: Filter): boolean {
    if (manners.private === 'lists') return filter.kinds === undefined
    if (manners.private === 'mail' && (filter.authors || filter.kinds?.length === 1)) return true
    return manners.private !== undefined && manners.private !== false && filter['#p'] === undefined
  }

  function pageOf(filter: Filter): NostrEvent[] {
    const sorted = matching(filter).toSorted(order === 'any' ? byId : NEWEST_FIRST)
    if (order.startsWith('oldest')) sorted.reverse()
    const most = heeds('limit') ? Math.min(cap, filter.limit ?? cap) : cap
    const page = sorted.flatMap(event => Array.from({ length: copies }, () => event)).slice(0, most)
    return order === 'oldest-sorted' ? page.toSorted(NEWEST_FIRST) : page
  }

  function answer(peer: Peer, sub: string, filter: Filter): void {
    const page = pageOf(filter)
    const { eoseAfter = page.length } = manners
    for (const event of page.slice(0, eoseAfter)) peer.event(sub, event)
    const isAll = new Set(page).size === matching(filter).length
    peer.send('EOSE', sub, ...(manners.hints ? [[isAll ? 'finish' : 'more']] : []))
    for (const event of page.slice(eoseAfter)) peer.event(sub, event)
  }

  function reconcile(peer: Peer, [verb, sub, ...rest]: string[]): void {
    if (manners.reconciles === 'hangs-up') return peer.socket.terminate()
    if (!manners.reconciles) return
    const message = verb === 'NEG-OPEN' ? rest[1] : rest[0]
    if (verb === 'NEG-OPEN')
      negotiations.set(String(sub), new RecordSet([packStubs(matching(rest[0] as Filter).toSorted(NEWEST_FIRST))]))
    const set = negotiations.get(String(sub))
    const result = set && message ? respond(set, hexToBytes(message), 60_000) : undefined
    if (result?.ok) peer.send('NEG-MSG', sub, Buffer.from(result.value).toString('hex'))
  }

  return {
    publish(event: NostrEvent) {
      events.push(event)
      for (const [peer, sub] of live) peer.event(sub, event)
    },
    relay: scriptedRelay(
      (peer, frame) => {
        const [verb, sub, filter] = frame
        if (verb === 'EVENT') return peer.send('OK', sub.id, true, '')
        if (verb.startsWith('NEG-') && verb !== 'NEG-CLOSE') return reconcile(peer, frame)
        if (verb === 'COUNT' && manners.counts)
          return peer.send('COUNT', sub, {
            count: Math.min(matching(filter).length, manners.counts === 'capped' ? cap : 1e9),
          })
        if (verb !== 'REQ') return
        if (isRefused(filter)) return peer.send('CLOSED', sub, 'restricted: only your own')
        // Nobody asks for these: what is acknowledged is looked at elsewhere.
        if (filter.ids && filter['#p'] === undefined) return peer.send('EOSE', sub)
        if (filter.until === undefined) live.set(peer, sub)
        answer(peer, sub, filter)
      },
      undefined,
      undefined,
      manners.silent,
    ),
  }
}
