import type { Clock } from '../../platform/clock.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import type { MailStore } from '../mail/store.ts'
import { foreignRelay } from './addresses.ts'
import { type KnownList, type KnownLists, LIST_KINDS, learn, mailRelays, writeRelays } from './lists.ts'

/** What was found is asked for again after so long (and used meanwhile); so is what was not. */
const FRESH_MS = 3_600_000
const ABSENT_FRESH_MS = 600_000
/** What half an answer did not tell is asked for again sooner; so is a list of which no relay can be reached. */
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
  /**
   * Asks the agent's relays for somebody's lists; verified events. Waits until one of them can be asked. Not complete: one of
   * them gave no whole answer. Never rejects.
   */
  ask(pubkey: string): Promise<Answer>
  /** As far as is known now. */
  isReachable(url: string): boolean
  /** Mail goes elsewhere, too, than when some may have been given its relays. */
  onMoved(pubkey: string, relays: readonly string[]): void
}

interface Answer {
  readonly events: readonly NostrEvent[]
  readonly complete: boolean
}

/** Who reads where: relay lists of others, looked for on the agent's relays and remembered with their age. */
export interface Directory {
  /** Relays that mail to this key goes to, never empty; a promise only if nothing is known yet. Never rejects. */
  relaysOf(pubkey: string): readonly string[] | Promise<readonly string[]>
  /** Where a key publishes: by its list, else where somebody said to find it. None if that is not known. Never rejects. */
  writesOf(pubkey: string): Promise<readonly string[]>
  /** Looks for those again, one after the other, of whom what is known is old, or leads nowhere. Never rejects. */
  review(pubkeys: readonly string[]): Promise<void>
}

export function createDirectory(options: DirectoryOptions): Directory {
  const { store, clock, relays, allowPrivate, ask } = options
  const asking = new Map<string, Promise<readonly string[]>>()
  let reviewing = false

  const hintsOf = (pubkey: string) => options.hints(pubkey).flatMap(url => foreignRelay(url, allowPrivate) ?? [])

  const choose = (pubkey: string, lists: KnownLists): readonly string[] => {
    const found = mailRelays(lists, allowPrivate)
    if (found.length > 0) return found
    const hinted = hintsOf(pubkey)
    return hinted.length > 0 ? [...new Set([...hinted, ...relays])] : relays
  }

  function known(pubkey: string): KnownLists {
    const note = store.relayNote(pubkey)
    return note === undefined ? {} : readNote(note.text)
  }

  function keep(pubkey: string, events: readonly NostrEvent[], askedMs: number): KnownLists {
    const lists = learn(known(pubkey), events)
    store.keepRelayNote(pubkey, { text: JSON.stringify(lists), askedMs })
    return lists
  }

  function look(pubkey: string): Promise<readonly string[]> {
    const running = asking.get(pubkey)
    if (running !== undefined) return running
    const answer = search(pubkey).then(({ events, complete }) => {
      asking.delete(pubkey)
      const before = recall(pubkey)
      const isTold = complete || events.length > 0 || before?.isAbsent === false
      const age = isTold ? 0 : ABSENT_FRESH_MS - UNSURE_FRESH_MS
      const now = choose(pubkey, keep(pubkey, events, clock.now() - age))
      if (before && now.some(url => !before.relays.includes(url))) options.onMoved(pubkey, now)
      return now
    })
    asking.set(pubkey, answer)
    return answer
  }

  /** Without a list the first whole answer counts: a relay that was slow once may have had it. */
  async function search(pubkey: string): Promise<Answer> {
    for (let tries = 1; ; tries += 1) {
      const { events, complete } = await ask(pubkey)
      const theirs = events.filter(event => event.pubkey === pubkey)
      if (complete || theirs.length > 0 || tries === TRIES) return { events: theirs, complete }
    }
  }

  /** What is remembered of a key, and whether that is to be asked for again. */
  function recall(pubkey: string) {
    const note = store.relayNote(pubkey)
    if (note === undefined) return undefined
    const lists = readNote(note.text)
    const isAbsent = LIST_KINDS.every(kind => lists[kind] === undefined)
    const relays = choose(pubkey, lists)
    const freshMs = isAbsent ? ABSENT_FRESH_MS : relays.some(options.isReachable) ? FRESH_MS : UNSURE_FRESH_MS
    const age = clock.now() - note.askedMs
    return { relays, isAbsent, isOld: age < 0 || age > freshMs }
  }

  function relaysOf(pubkey: string): readonly string[] | Promise<readonly string[]> {
    const remembered = recall(pubkey)
    if (remembered === undefined || (remembered.isOld && remembered.isAbsent)) return look(pubkey)
    if (remembered.isOld) look(pubkey)
    return remembered.relays
  }

  return {
    relaysOf,
    async writesOf(pubkey) {
      await relaysOf(pubkey)
      const said = writeRelays(known(pubkey), allowPrivate)
      return said.length > 0 ? said : hintsOf(pubkey)
    },
    async review(pubkeys) {
      if (reviewing) return
      reviewing = true
      for (const pubkey of pubkeys) if (recall(pubkey)?.isOld) await look(pubkey)
      reviewing = false
    },
  }
}

/** Our own file, but perhaps from another version. */
function readNote(text: string): KnownLists {
  const json = parseJson(text)
  const record = json.ok && isRecord(json.value) ? json.value : {}
  const lists: { -readonly [K in keyof KnownLists]: KnownLists[K] } = {}
  for (const kind of LIST_KINDS) {
    const list = own(record, String(kind))
    if (isKnownList(list)) lists[kind] = list
  }
  return lists
}

const isKnownList = (value: unknown): value is KnownList =>
  isRecord(value) &&
  typeof own(value, 'id') === 'string' &&
  typeof own(value, 'created_at') === 'number' &&
  isTexts(value.relays) &&
  (own(value, 'writes') === undefined || isTexts(own(value, 'writes')))

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(url => typeof url === 'string')
