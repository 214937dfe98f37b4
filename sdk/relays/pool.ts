import type { Host, RelayStatus } from '../api.ts'
import type { Authenticate } from '../link/authenticator.ts'
import { createOutbox } from '../mail/outbox.ts'
import { createRoute, type Route } from '../mail/route.ts'
import type { Sealer } from '../mail/seal.ts'
import type { MailStore, Outcome, OutgoingMail, StoredMail } from '../mail/store.ts'

export interface PoolOptions extends Host {
  /** The agent's own relays, normalised, at least one. */
  readonly relays: readonly string[]
  readonly pubkey: string
  readonly store: MailStore
  readonly sealer: Sealer
  readonly authenticate: Authenticate
  /** Recorded just now, in order; each message once, whichever relay had it first. */
  onMail(mail: readonly StoredMail[]): void
  onSettled(outcomes: readonly Outcome[]): void
  onChange(): void
}

/**
 * All relays of one agent: a route to each of its own, under one store. What one relay withholds another brings; a message is
 * known by its id only once it was verified, so that a damaged copy from one never hides the genuine one from another.
 */
export interface Pool {
  /** One per relay of the agent, in its order. */
  readonly routes: readonly Route[]
  statuses(): readonly RelayStatus[]
  /** Something was queued; `mail` if it is known what. */
  kick(mail?: OutgoingMail): void
  /** Nothing more can go out now: what waited was taken, or its relays are not there. */
  readonly isFlushed: boolean
  close(): Promise<void>
}

export function createPool(options: PoolOptions): Pool {
  const { store, clock, timers } = options
  const outbox = createOutbox({
    store,
    clock,
    timers,
    relaysOf: () => options.relays,
    onAddressed: relays => {
      for (const route of routes) if (relays.has(route.url)) route.kick()
    },
    onSettled: options.onSettled,
  })
  const routes = options.relays.map(url => createRoute({ ...options, url, onOutcome: outbox.settle }))
  outbox.start()

  return {
    routes,
    statuses: () => routes.map(route => route.status()),
    kick: outbox.kick,
    get isFlushed() {
      const mayDeliver = routes.some(route => route.mayDeliver)
      return !mayDeliver || (store.counts().queue === 0 && routes.every(route => route.isFlushed))
    },
    async close() {
      outbox.close()
      await Promise.all(routes.map(route => route.close()))
    },
  }
}
