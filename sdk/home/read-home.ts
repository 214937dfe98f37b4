import { systemClock } from '../../platform/clock.ts'
import { DatabaseError } from '../../platform/sqlite.ts'
import type { Cursor } from '../../protocol/cursor.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { InboxQuery, MailStatus } from '../api.ts'
import { PARTIAL_SCOPE } from '../link/plain-reading.ts'
import { feedKey, inboxFeed, inboxFilter } from '../mail/inbox-feed.ts'
import { createMemoryMailStore } from '../mail/memory-store.ts'
import type { MailStore, Stranger } from '../mail/store.ts'
import type { Delivery, InboxEntry, Receipt, SentEntry } from '../mail/types.ts'
import { createView, findOne } from '../mail/view.ts'
import { createNameBook } from '../names/name-book.ts'
import { allowsPrivate } from '../relays/addresses.ts'
import { suspected } from '../relays/suspicion.ts'
import { routeOver, whereaboutsOf } from '../relays/whereabouts.ts'
import { npubOf } from '../sending/recipient.ts'
import { homeContacts } from './contacts.ts'
import { fileShelf } from './file-shelf.ts'
import { lstatOrUndefined } from './files.ts'
import { hasRun, homeFiles } from './paths.ts'
import { type Profile, readProfile, siblingContacts } from './profile.ts'
import { openSqliteMailStore } from './sqlite-mail-store.ts'

/** A home as it lies on the disk, beside a running agent or without one. Nothing is changed. */
export interface HomeView {
  readonly profile: Profile
  readonly npub: string
  inbox(query?: InboxQuery): InboxEntry[]
  /** By full id or a unique prefix of at least 8 characters; does not mark it read. */
  find(id: string): InboxEntry | undefined
  /** A sent message, by full id or a unique prefix of at least 8 characters. */
  sent(id: string): SentEntry | undefined
  /** How many messages were given up, both ways. */
  deadLetters(): number
  delivery(id: string): Delivery | undefined
  /** Of a sent message; the one that counts is the last. */
  receipts(id: string): readonly Receipt[]
  /** Where the inbox stands in a relay's log; undefined if it was never told a position there. */
  position(relay: string): Cursor | undefined
  /** Mail that this relay has may be missing: something came damaged, and the inbox was not compared since. */
  suspect(relay: string): boolean
  /** This relay may have mail that it did not give at the last catch-up, though it was asked for everything. */
  partial(relay: string): boolean
  /** This event came here: it is in the mail, or was set aside or dropped. Of what was dropped the latest 20,000 are known. */
  has(id: string): boolean
  /** The oldest messages that no relay of their recipient has yet, `at` in seconds. */
  queued(limit: number): readonly { readonly id: string; readonly to: string; readonly at: number }[]
  /** Relays are unknown from outside; see the running agent. */
  status(): MailStatus
  /** Senders that are or were strangers. */
  strangers(): readonly Stranger[]
  close(): void
}

/** A profile that never ran, or whose first run is just making the file, has no mail yet. */
function openMail(home: string): MailStore {
  const path = homeFiles(home).mail
  if (lstatOrUndefined(path) === undefined) return createMemoryMailStore()
  try {
    return openSqliteMailStore(path, { readonly: true, wasComplete: hasRun(home) })
  } catch (error) {
    if (error instanceof DatabaseError && error.code === 'older-schema') return createMemoryMailStore()
    throw error
  }
}

/** Opens a home for reading. Throws ProfileError if there is none. */
export function readHome(home: string): HomeView {
  const profile = readProfile(home)
  const store = openMail(home)
  const contacts = homeContacts(home)
  const names = createNameBook({ shelf: fileShelf(home), clock: systemClock, get: undefined, allowPrivate: false })
  const knownOf = (to: string) =>
    whereaboutsOf({
      note: store.relayNote(to)?.text,
      local: siblingContacts(home).find(({ pubkey }) => pubkey === to)?.relays ?? [],
      hints: contacts.find(({ pubkey }) => pubkey === to)?.relays ?? names.relaysOf(to),
      allowPrivate: allowsPrivate(undefined, profile.relays),
    })
  let dropped: Set<string> | undefined
  const view = createView(
    profile.pubkey,
    () => contacts,
    () => store.judged('accepted'),
    (to, url) => (to === profile.pubkey ? 'inbox-relays' : routeOver(url, knownOf(to))),
  )
  return {
    profile,
    npub: npubOf(profile.pubkey),
    inbox: (query = {}) => view.inbox(store, query),
    find(id) {
      const found = findOne(store, id)
      return found && view.entry(found)
    },
    sent: id => view.sent(store, id, systemClock.now()),
    deadLetters: () => store.list({ state: 'set-aside' }).length + store.refused().length,
    delivery: id => view.delivery(store, id, systemClock.now()),
    receipts: id => store.receipts(id),
    position: relay => store.positions(inboxFeed(relay, profile.pubkey))[0],
    suspect(relay) {
      const { urls, damaged } = suspected(store)
      return damaged && urls.includes(relay)
    },
    partial: relay => store.positions(feedKey(relay, inboxFilter(profile.pubkey), 'time'))[0]?.scope === PARTIAL_SCOPE,
    has(id) {
      if (store.get(id) !== undefined) return true
      dropped ??= new Set(store.seen().events.map(event => event.id))
      return dropped.has(id)
    },
    queued: limit =>
      store.queued(0, limit).map(({ id, to, event }) => ({ id, to, at: (JSON.parse(event) as NostrEvent).created_at })),
    status: () => view.counts(store),
    strangers: () => store.strangers(),
    close: () => store.close(),
  }
}
