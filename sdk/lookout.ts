import type { Cancel } from '../platform/timers.ts'
import type { Contact, Host } from './api.ts'
import { type CardSearch, createCardSearch } from './card/search.ts'
import type { Authenticate } from './link/authenticator.ts'
import { createLine } from './link/line.ts'
import { createLines } from './link/lines.ts'
import { createLink } from './link/link.ts'
import { type Observation, observe, type Presence } from './presence/observer.ts'
import { resolveRecipient } from './recipient.ts'

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
}

export interface LookoutOptions extends Pick<Host, 'clock' | 'timers' | 'random' | 'verifier' | 'dial'> {
  readonly relays: readonly string[]
  /** For relays that want to know who asks; the others are not told. */
  readonly authenticate?: Authenticate | undefined
  /** By whom names are resolved. */
  readonly contacts: readonly Contact[]
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
    return { link, line, status: (): LookoutRelay => ({ url, isOpen: line.isOpen, error }) }
  })
  const lines = createLines(ends.map(({ line }) => line))
  return {
    cards: createCardSearch({ ...options, lines, resolve: who => resolveRecipient(who, options.contacts) }),
    observe: (pubkeys, onChange, onTold) => observe({ ...options, lines }, pubkeys, onChange, onTold),
    relays: () => ends.map(({ status }) => status()),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async close() {
      listeners.clear()
      for (const { line } of ends) line.lost('error: closed')
      await Promise.all(ends.map(({ link }) => link.close()))
    },
  }
}
