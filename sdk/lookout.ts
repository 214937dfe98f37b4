import type { Cancel } from '../platform/timers.ts'
import type { NostrEvent } from '../protocol/event.ts'
import { parseReason } from '../protocol/reasons.ts'
import type { Contact, Host } from './api.ts'
import { type CardSearch, createCardSearch } from './card/search.ts'
import { localSigner } from './identity/local-signer.ts'
import type { Authenticate } from './link/authenticator.ts'
import { createLine, type Line } from './link/line.ts'
import { createLines } from './link/lines.ts'
import { createLink } from './link/link.ts'
import { type Observation, observe, type Presence } from './presence/observer.ts'
import { allowsPrivate, foreignRelay } from './relays/addresses.ts'
import { createDiscovery } from './relays/discovery.ts'
import { LIST_KINDS, learn, writeRelays } from './relays/lists.ts'
import { createVisits } from './relays/visits.ts'
import { makeSecretKey } from './secret-key.ts'
import { resolveRecipient } from './sending/recipient.ts'
import { openSections } from './state/owned/sections.ts'
import type { StateView } from './state/owned/types.ts'
import { OWN_RECORD } from './state/record-names.ts'
import { tableStateStore } from './state/store.ts'
import { abroad } from './state/surroundings.ts'

/** Lists taken from one answer, and how long is waited for one, ms. */
const MAX_LISTS = 20
const LISTS_MS = 5_000

/**
 * Looks at other agents over relays without being one: no home is opened, no mail touched, nothing said. For programs that
 * look in beside a running agent.
 */
export interface Lookout {
  readonly cards: CardSearch
  /** Watches keys (64 hex; all if undefined) and tells each change. */
  observe(
    pubkeys: readonly string[] | undefined,
    onChange: (presence: Presence) => void,
    onTold?: () => void,
  ): Observation
  /** An agent's state (npub, hex, contact name), kept up to date until it is closed. Throws UnknownRecipientError. */
  state(who: string): StateView
  /** One each, in the order given. */
  relays(): readonly LookoutRelay[]
  /** Calls back whenever a relay is reached or lost. Returns the function that stops it. */
  onChange(listener: () => void): Cancel
  close(): Promise<void>
}

export interface LookoutRelay {
  readonly url: string
  readonly isOpen: boolean
  /** Why not, once an attempt failed. */
  readonly error: string | undefined
  /** Its last words to a question that it does not answer this key. */
  readonly refusal: string | undefined
}

export interface LookoutOptions extends Pick<Host, 'clock' | 'timers' | 'random' | 'verifier' | 'dial'> {
  readonly relays: readonly string[]
  /** Where relay lists and cards are looked for besides. */
  readonly discovery?: readonly string[] | undefined
  /** For relays that want to know who asks; the others are not told. */
  readonly authenticate?: Authenticate | undefined
  /** By whom names are resolved. */
  readonly contacts: readonly Contact[]
  /** Relays that a key was named with. */
  readonly hints?: (pubkey: string) => readonly string[]
}

export function createLookout(options: LookoutOptions): Lookout {
  const listeners = new Set<() => void>()
  const changed = () => {
    for (const listener of [...listeners]) listener()
  }
  const ends = options.relays.map(url => {
    let error: string | undefined
    const link = createLink({
      ...options,
      url,
      reconnect: true,
      onOpen() {
        error = undefined
        line.opened()
        changed()
      },
      onPause: () => line.lost('error: the relay is about to know us by a key'),
      onDown(reason) {
        error = reason
        line.lost(`error: ${reason}`)
        changed()
      },
    })
    const line = createLine(link, options)
    let refusal: string | undefined
    const listening: Line = {
      ...line,
      get isOpen() {
        return line.isOpen
      },
      watch: (filters, handlers) =>
        line.watch(filters, {
          ...handlers,
          onEnd(reason) {
            const { prefix } = parseReason(reason)
            if (prefix === 'auth-required' || prefix === 'restricted') refusal = reason
            handlers.onEnd?.(reason)
          },
        }),
    }
    return { link, line, listening, status: (): LookoutRelay => ({ url, isOpen: line.isOpen, error, refusal }) }
  })
  const lines = createLines(ends.map(({ listening }) => listening))
  const allowPrivate = allowsPrivate(undefined, options.relays)

  /** Once it is reached; nothing if it cannot be. */
  const listsAt = ({ line, status }: (typeof ends)[number], pubkey: string) =>
    new Promise<readonly NostrEvent[]>(resolve => {
      const filter = { kinds: [...LIST_KINDS], authors: [pubkey] }
      const look = () => {
        if (!line.isOpen && status().error === undefined) return
        listeners.delete(look)
        void line.ask(filter, MAX_LISTS, LISTS_MS).then(({ events }) => resolve(events))
      }
      listeners.add(look)
      look()
    })

  const elsewhere = createDiscovery({ ...options, own: options.relays, onFound() {}, onChange() {} })

  async function writesOf(pubkey: string): Promise<readonly string[]> {
    const found = await Promise.all([
      ...ends.map(end => listsAt(end, pubkey)),
      elsewhere.ask(pubkey).then(({ events }) => events.filter(event => event.pubkey === pubkey)),
    ])
    const said = writeRelays(learn({}, found.flat()), allowPrivate)
    const hints = [
      ...(options.hints?.(pubkey) ?? []),
      ...(options.contacts.find(each => each.pubkey === pubkey)?.relays ?? []),
    ]
    return said.length > 0 ? said : hints.flatMap(url => foreignRelay(url, allowPrivate) ?? [])
  }

  const visits = createVisits({ ...options, own: lines, allowsPrivate: () => allowPrivate, writesOf })
  return {
    cards: createCardSearch({
      ...options,
      lines,
      discover: async () => elsewhere,
      resolve: who => resolveRecipient(who, options.contacts),
    }),
    observe: (pubkeys, onChange, onTold) => observe({ ...options, lines }, pubkeys, onChange, onTold),
    state(who) {
      const author = resolveRecipient(who, options.contacts)
      const authors = new Set([author])
      // Nothing is ever signed with it.
      const signer = localSigner(makeSecretKey(options.random), options.random)
      const visit = visits.to(author)
      const host = { ...options, lines: () => lines.all, eachLine: lines.each, signer, store: tableStateStore() }
      const sections = openSections(abroad(host, visit), { o: OWN_RECORD, authors: () => authors })
      return sections.view(author, () => {
        visit.leave()
        return sections.log.close({ timeoutMs: 0 })
      })
    },
    relays: () => ends.map(({ status }) => status()),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async close() {
      listeners.clear()
      for (const { line } of ends) line.lost('error: closed')
      await Promise.all([...ends.map(({ link }) => link.close()), visits.close(), elsewhere.close()])
    },
  }
}
