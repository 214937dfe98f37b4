import type { Cancel, Timers } from '../platform/timers.ts'
import { expirationOf, type NostrEvent, tagValue, tagValues } from '../protocol/event.ts'
import { HEARTBEAT, PRESENCE } from '../protocol/kinds.ts'
import { reason } from '../protocol/reasons.ts'
import { normalizeRelayUrl } from '../protocol/url.ts'
import { type GateTerms, gate, type Sender } from './gate.ts'
import type { Store, StoredWill } from './log/store.ts'

/** From the loss of the socket to publication: long enough to reconnect. */
const DELAY_MS = 30_000

export interface WillOptions {
  readonly store: Store
  readonly timers: Timers
  readonly terms: () => GateTerms
  /** Publishes like any event, on behalf of its author. */
  readonly publish: (event: NostrEvent, sender: Sender, answer: (accepted: boolean) => void) => void
  readonly onError: (where: string, error: unknown) => void
}

const sessionOf = (event: NostrEvent): string => tagValue(event, 'd') ?? ''
const keyOf = (pubkey: string, session: string): string => `${pubkey}:${session}`

/**
 * Wills: a pre-signed presence is deposited by an authenticated connection and published when that connection is lost, after a delay,
 * unless its author's session is back by then. Held on disk; after a restart of the relay every delay starts anew.
 */
export class WillKeeper {
  readonly #options: WillOptions
  /** By key and session. */
  readonly #wills = new Map<string, StoredWill>()
  readonly #held = new Map<Sender, string>()
  /** Sessions a live connection has shown to be its own. */
  readonly #sessions = new Map<Sender, Set<string>>()
  readonly #delays = new Map<string, Cancel>()
  #stopped = false

  constructor(options: WillOptions) {
    this.#options = options
  }

  /** Wills on deposit. */
  get size(): number {
    return this.#wills.size
  }

  async start(): Promise<void> {
    for (const will of await this.#options.store.wills()) {
      const key = keyOf(will.event.pubkey, will.session)
      this.#wills.set(key, will)
      this.#startDelay(key)
    }
  }

  stop(): void {
    this.#stopped = true
    for (const cancel of this.#delays.values()) cancel()
    this.#delays.clear()
  }

  /** All but the signature. */
  refuse(event: NostrEvent, sender: Sender): string | undefined {
    const terms = this.#options.terms()
    const { urls, limits } = terms
    if (!sender.keys.includes(event.pubkey))
      return sender.keys.length === 0
        ? reason('auth-required', 'a will is deposited by its author')
        : reason('restricted', 'a will is deposited by its author')
    if (event.kind !== PRESENCE) return reason('invalid', `a will is kind ${PRESENCE}`)
    if (expirationOf(event) !== undefined) return reason('invalid', 'a will has no expiration')
    if (!tagValues(event, 'relay').some(url => urls.has(normalizeRelayUrl(url) ?? '')))
      return reason('invalid', 'a will has a relay tag that names this relay')
    if (this.#wills.size >= limits.wills && !this.#wills.has(keyOf(event.pubkey, sessionOf(event))))
      return reason('rate-limited', 'this relay holds no more wills')
    return gate(event, sender, terms)
  }

  /** One per connection: an older one of another session goes. Resolves to false if it could not be stored. */
  async deposit(event: NostrEvent, sender: Sender): Promise<boolean> {
    const session = sessionOf(event)
    const key = keyOf(event.pubkey, session)
    const before = this.#held.get(sender)
    try {
      await this.#options.store.putWill({ event, session })
      if (before !== undefined && before !== key) await this.#discard(before)
    } catch (error) {
      this.#options.onError('will', error)
      return false
    }
    this.#wills.set(key, { event, session })
    this.#held.set(sender, key)
    this.#claim(sender, key)
    return true
  }

  /** Taken back by its author. */
  async drop(sender: Sender): Promise<void> {
    const key = this.#held.get(sender)
    this.#held.delete(sender)
    if (key !== undefined) await this.#discard(key).catch(error => this.#options.onError('will', error))
  }

  /** Own presence shows which session this connection is; a will that was about to speak for it waits again. */
  onPublished(event: NostrEvent, sender: Sender): void {
    if (event.kind !== PRESENCE && event.kind !== HEARTBEAT) return
    if (sender.keys.includes(event.pubkey)) this.#claim(sender, keyOf(event.pubkey, sessionOf(event)))
  }

  onEnd(sender: Sender, clean: boolean): void {
    const key = this.#held.get(sender)
    this.#held.delete(sender)
    this.#sessions.delete(sender)
    if (key === undefined) return
    if (clean) this.#discard(key).catch(error => this.#options.onError('will', error))
    else this.#startDelay(key)
  }

  #claim(sender: Sender, key: string): void {
    const sessions = this.#sessions.get(sender)
    if (sessions) sessions.add(key)
    else this.#sessions.set(sender, new Set([key]))
  }

  #startDelay(key: string): void {
    if (this.#stopped) return
    this.#delays.get(key)?.()
    this.#delays.set(
      key,
      this.#options.timers.after(DELAY_MS, () => this.#speak(key), { background: true }),
    )
  }

  #speak(key: string): void {
    this.#delays.delete(key)
    const will = this.#wills.get(key)
    if (will === undefined) return
    for (const [sender, sessions] of this.#sessions) {
      if (!sessions.has(key)) continue
      // The session is back. It inherits the will unless it has left one of its own.
      if (!this.#held.has(sender)) this.#held.set(sender, key)
      return
    }
    // Its place in the rates was paid for when it was deposited.
    this.#options.publish(will.event, { keys: [will.event.pubkey], unthrottled: true }, () => {
      this.#discard(key).catch(error => this.#options.onError('will', error))
    })
  }

  async #discard(key: string): Promise<void> {
    const will = this.#wills.get(key)
    if (will === undefined || [...this.#held.values()].includes(key)) return
    this.#wills.delete(key)
    this.#delays.get(key)?.()
    this.#delays.delete(key)
    await this.#options.store.dropWill(will.event.id)
  }
}
