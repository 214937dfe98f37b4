import { type Clock, seconds } from '../../platform/clock.ts'
import type { EventTemplate, NostrEvent, Tag } from '../../protocol/event.ts'
import { INBOX_RELAYS, supersedes } from '../../protocol/kinds.ts'
import { isMisdated } from '../../protocol/reasons.ts'
import { dateOf, horizonOf, removalOf } from '../misdated.ts'
import type { AnnouncerOptions } from './announcer.ts'
import type { Place } from './discovery.ts'
import { LIST_KINDS, type ListKind, MAX_LISTED, readList } from './lists.ts'

export interface Announcing extends Pick<AnnouncerOptions, 'pubkey' | 'sign'> {
  readonly clock: Clock
  /** Connected, and caught up with. */
  readonly routes: readonly Place[]
  /** What is to be listed. */
  readonly relays: readonly string[]
  /** What was listed before. */
  readonly announced: readonly string[]
}

/**
 * Reads the own lists back and publishes those that differ. Resolves to the relays that were seen with them, undefined if none told
 * what it has; rejects if the key could not sign.
 */
export async function announce({
  routes,
  relays,
  announced,
  clock,
  ...options
}: Announcing): Promise<readonly string[] | undefined> {
  const filter = { kinds: [...LIST_KINDS], authors: [options.pubkey] }
  const answers = await Promise.all(routes.map(async route => ({ route, ...(await route.ask(filter, 20)) })))
  const answered = answers.filter(({ complete }) => complete)
  if (answered.length === 0) return undefined
  const found = answers.flatMap(({ events }) => events)
  let settled = true
  for (const kind of LIST_KINDS) {
    const newest = newestOf(kind, found)
    const list = await listToHave(kind, newest)
    // By a clock that was ahead: it would be the newest until then.
    if (newest && newest.created_at > horizonOf(clock)) {
      const removal = await options.sign(removalOf([newest], clock))
      for (const { route, events } of answered)
        if (events.some(({ id }) => id === newest.id)) await route.publish(removal)
    }
    for (const { route, events } of answered) {
      const has = events.some(({ id }) => id === list.id)
      // A relay that refuses lists is not asked to take them every day.
      const outcome = has ? undefined : await route.publish(list)
      if (outcome && (outcome.accepted === undefined || isMisdated(outcome.message))) settled = false
    }
  }
  return settled ? answered.map(({ route }) => route.url) : []

  async function listToHave(kind: ListKind, newest: NostrEvent | undefined): Promise<NostrEvent> {
    if (newest === undefined) return options.sign(listTemplate(kind, relays, seconds(clock)))
    const listed = readList(newest).relays
    const others = listed.filter(url => !announced.includes(url) && !relays.includes(url))
    const wanted = [...relays, ...others].slice(0, MAX_LISTED)
    const same = wanted.length === listed.length && wanted.every(url => listed.includes(url))
    if (same && newest.created_at <= horizonOf(clock)) return newest
    return options.sign(listTemplate(kind, wanted, Math.max(seconds(clock), dateOf(newest.created_at, clock) + 1)))
  }
}

const newestOf = (kind: ListKind, events: readonly NostrEvent[]): NostrEvent | undefined =>
  events
    .filter(event => event.kind === kind)
    .reduce<NostrEvent | undefined>((best, event) => (best && !supersedes(event, best) ? best : event), undefined)

/** A list to be signed. */
const listTemplate = (kind: ListKind, relays: readonly string[], created_at: number): EventTemplate => ({
  kind,
  created_at,
  tags: relays.map((url): Tag => (kind === INBOX_RELAYS ? ['relay', url] : ['r', url])),
  content: '',
})
