import type { Clock } from '../../platform/clock.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { MailStore } from '../mail/store.ts'
import type { MailRoute } from '../mail/types.ts'
import { horizonOf } from '../misdated.ts'
import { foreignRelay } from './addresses.ts'
import { LIST_KINDS, learn, writeRelays } from './lists.ts'
import {
  allOf,
  type Destinations,
  hintsIn,
  listsIn,
  MAX_HINTS,
  noteText,
  relaysFor,
  routeOver,
  type Whereabouts,
  whereaboutsOf,
} from './whereabouts.ts'

/** What was found is asked for again after so long, and used meanwhile. */
const FRESH_MS = 3_600_000
/** What was not found is asked for again sooner: it may have been published since. So is a list of which no relay can be reached. */
const UNSURE_FRESH_MS = 60_000
/** So often is asked before mail goes where it would go without an answer. */
const TRIES = 3

export interface DirectoryOptions {
  readonly store: MailStore
  readonly clock: Clock
  /** Where everybody is looked for, and where mail goes whose recipient has no list. */
  readonly relays: readonly string[]
  readonly allowPrivate: boolean
  /** Addresses that a key was said to read at, unchecked: used as long as no list of it is found. */
  hints(pubkey: string): readonly string[]
  /** The relays of a profile of this machine; none for other keys. */
  local(pubkey: string): readonly string[]
  /**
   * Asks the agent's relays for somebody's lists; verified events. Waits until one of them can be asked. Not complete: one of
   * them gave no whole answer. Never rejects.
   */
  ask(pubkey: string): Promise<Answer>
  /** As far as is known now. */
  isReachable(url: string): boolean
  /** Mail goes elsewhere, too, than when some may have been given its relays. */
  onMoved(pubkey: string, to: Destinations): void
}

interface Answer {
  readonly events: readonly NostrEvent[]
  readonly complete: boolean
}

/** Who reads where: relay lists of others, looked for on the agent's relays and remembered with their age. */
export interface Directory {
  /** Where mail to this key goes, never empty; a promise only if nothing is known yet. Never rejects. */
  relaysOf(pubkey: string): Destinations | Promise<Destinations>
  /** Where a key publishes: by its list, else where somebody said to find it. None if that is not known. Never rejects. */
  writesOf(pubkey: string): Promise<readonly string[]>
  /** Where mail to this key goes as far as is known now, without the agent's own relays: perhaps nowhere. */
  known(pubkey: string): Destinations
  /** Why this relay was given mail for that key. */
  routeOver(pubkey: string, url: string): MailRoute
  /** Verified lists of that key, from elsewhere. */
  found(pubkey: string, lists: readonly NostrEvent[]): void
  /** Somebody said, unchecked, that a key reads there: kept with what is known of it. */
  hint(pubkey: string, urls: readonly string[]): void
  /** More may be known of where a key reads: what it has not acknowledged goes there, too. */
  reconsider(pubkey: string): void
  /** Looks for those again, one after the other, of whom what is known is old, or leads nowhere. Never rejects. */
  review(pubkeys: readonly string[]): Promise<void>
  /** That is under way. */
  readonly isReviewing: boolean
}

export function createDirectory(options: DirectoryOptions): Directory {
  const { store, clock, relays, allowPrivate, ask } = options
  const asking = new Map<string, Promise<Destinations>>()
  let reviewing = false

  const whereabouts = (pubkey: string): Whereabouts =>
    whereaboutsOf({
      note: store.relayNote(pubkey)?.text,
      local: options.local(pubkey),
      hints: options.hints(pubkey),
      allowPrivate,
    })
  const choose = (pubkey: string) => relaysFor(whereabouts(pubkey), relays)

  function keep(pubkey: string, events: readonly NostrEvent[], askedMs: number): void {
    const note = store.relayNote(pubkey)?.text
    store.keepRelayNote(pubkey, {
      text: noteText(learn(listsIn(note), events, horizonOf(clock)), hintsIn(note)),
      askedMs,
    })
  }

  function look(pubkey: string): Promise<Destinations> {
    const running = asking.get(pubkey)
    if (running !== undefined) return running
    const answer = search(pubkey).then(events => {
      asking.delete(pubkey)
      return learnOf(pubkey, events, clock.now())
    })
    asking.set(pubkey, answer)
    return answer
  }

  function learnOf(pubkey: string, events: readonly NostrEvent[], askedMs: number): Destinations {
    const before = recall(pubkey)
    keep(pubkey, events, askedMs)
    const now = choose(pubkey)
    if (before && isOther(now, before.relays)) options.onMoved(pubkey, now)
    return now
  }

  /** Without a list the first whole answer counts: a relay that was slow once may have had it. */
  async function search(pubkey: string): Promise<readonly NostrEvent[]> {
    for (let tries = 1; ; tries += 1) {
      const { events, complete } = await ask(pubkey)
      const theirs = events.filter(event => event.pubkey === pubkey)
      if (complete || theirs.length > 0 || tries === TRIES) return theirs
    }
  }

  /** What is remembered of a key, and whether that is to be asked for again. */
  function recall(pubkey: string) {
    const note = store.relayNote(pubkey)
    if (note === undefined) return undefined
    const lists = listsIn(note.text)
    const isAbsent = LIST_KINDS.every(kind => lists[kind] === undefined)
    const relays = choose(pubkey)
    const freshMs = !isAbsent && allOf(relays).some(options.isReachable) ? FRESH_MS : UNSURE_FRESH_MS
    const age = clock.now() - note.askedMs
    return { relays, isAbsent, isOld: age < 0 || age > freshMs }
  }

  function relaysOf(pubkey: string): Destinations | Promise<Destinations> {
    const remembered = recall(pubkey)
    // A profile of this machine reads where this disk says, whatever lists there are beside that.
    const local = options.local(pubkey).length > 0
    if (!local && (remembered === undefined || (remembered.isOld && remembered.isAbsent))) return look(pubkey)
    if (remembered === undefined || remembered.isOld) look(pubkey)
    return remembered?.relays ?? choose(pubkey)
  }

  function reconsider(pubkey: string): void {
    const now = relaysOf(pubkey)
    if (!(now instanceof Promise)) options.onMoved(pubkey, now)
  }

  return {
    relaysOf,
    async writesOf(pubkey) {
      await relaysOf(pubkey)
      const { local, hinted } = whereabouts(pubkey)
      const said = writeRelays(listsIn(store.relayNote(pubkey)?.text), allowPrivate)
      return [...new Set([...(said.length > 0 ? said : hinted), ...local])]
    },
    known: pubkey => relaysFor(whereabouts(pubkey), []),
    routeOver: (pubkey, url) => routeOver(url, whereabouts(pubkey)),
    hint(pubkey, urls) {
      const note = store.relayNote(pubkey)
      const known = hintsIn(note?.text)
      const told = urls.slice(0, MAX_HINTS).flatMap(url => foreignRelay(url, true) ?? [])
      if (told.every(url => known.includes(url))) return
      const hints = [...new Set([...told, ...known])].slice(0, MAX_HINTS)
      store.keepRelayNote(pubkey, { text: noteText(listsIn(note?.text), hints), askedMs: note?.askedMs ?? 0 })
      reconsider(pubkey)
    },
    found(pubkey, lists) {
      const theirs = lists.filter(list => list.pubkey === pubkey)
      if (theirs.length > 0) learnOf(pubkey, theirs, store.relayNote(pubkey)?.askedMs ?? 0)
    },
    reconsider,
    get isReviewing() {
      return reviewing
    },
    async review(pubkeys) {
      if (reviewing) return
      reviewing = true
      for (const pubkey of pubkeys) if (recall(pubkey)?.isOld) await look(pubkey)
      reviewing = false
    },
  }
}

/** It goes where it did not go before, or counts where it did not count. */
const isOther = (now: Destinations, before: Destinations): boolean =>
  now.reads.some(url => !before.reads.includes(url)) || allOf(now).some(url => !allOf(before).includes(url))
