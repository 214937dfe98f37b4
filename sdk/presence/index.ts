import type { Clock } from '../../platform/clock.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import type { Signer } from '../identity/signer.ts'
import type { Lines } from '../link/lines.ts'
import type { RelayAnswer } from '../link/relay-answer.ts'
import { loadSeldom } from '../load-seldom.ts'
import type { Observation, Presence } from './observer.ts'
import type { OwnPresence } from './own.ts'
import type { PresenceStatus } from './status.ts'

/** Who is there, and telling others that we are. */
export interface AgentPresence {
  /** Name of this agent's session among those of its key. */
  readonly session: string
  /**
   * Tells others: fields given replace those said before, undefined ones are taken back; changes within a second are told as one.
   * Resolves with what each connected relay answered; empty: none is connected. Throws a RangeError on values out of range.
   */
  set(status: PresenceStatus): Promise<readonly RelayAnswer[]>
  /** Says goodbye before the agent closes, and says nothing after it. Resolves with what each connected relay answered within a second. */
  leave(): Promise<readonly RelayAnswer[]>
  /** Asks the connected relays, for at most `timeoutMs` (default 3,000). Undefined: nothing is known of that key. */
  get(who: string, options?: { readonly timeoutMs?: number }): Promise<Presence | undefined>
  /** Watches agents (npub, hex or contact names), or all, and tells each change. Returns the function that ends it. */
  watch(who: readonly string[] | undefined, listener: (presence: Presence) => void): Cancel
}

export interface PresenceOptions {
  readonly lines: Lines
  readonly signer: Signer
  readonly clock: Clock
  readonly timers: Timers
  readonly session: string
  /** False: others are watched, nothing is said. */
  readonly present: boolean
  resolve(who: string): string
}

export interface RunningPresence extends AgentPresence {
  close(): Promise<void>
}

const PATIENCE_MS = 3_000
const LOAD_AGAIN_MS = 5_000

export function createPresence(options: PresenceOptions): RunningPresence {
  const { timers, session, resolve } = options
  const watching = new Set<Cancel>()
  let own: OwnPresence | undefined
  let closed = false

  async function speak(): Promise<OwnPresence | undefined> {
    const { createOwnPresence } = await loadSeldom()
    if (!closed) own ??= createOwnPresence(options)
    return own
  }
  // A page that is offline: nobody could hear it yet.
  const begin = () =>
    void speak().catch(() => {
      if (!closed) timers.after(LOAD_AGAIN_MS, begin, { background: true })
    })
  if (options.present) begin()

  return {
    session,
    async set(status) {
      // Whoever sets a status wants it told, also where presence was not asked for at the start.
      return (closed ? undefined : await speak())?.set(status) ?? []
    },
    leave: async () => own?.close() ?? [],
    async get(who, { timeoutMs = PATIENCE_MS } = {}) {
      const pubkey = resolve(who)
      const { observe } = await loadSeldom()
      if (closed) return undefined
      return new Promise(resolveIt => {
        const end = () => {
          cancel()
          const found = observation.get(pubkey)
          observation.stop()
          watching.delete(end)
          resolveIt(found)
        }
        const cancel = timers.after(timeoutMs, end)
        const observation = observe(
          options,
          [pubkey],
          () => {},
          () => {
            if (observation.isTold) end()
          },
        )
        watching.add(end)
      })
    },
    watch(who, listener) {
      const pubkeys = who?.map(resolve)
      let observation: Observation | undefined
      let cancel: Cancel = () => {}
      const stop = () => {
        watching.delete(stop)
        cancel()
        observation?.stop()
      }
      const start = () =>
        loadSeldom().then(
          ({ observe }) => {
            if (watching.has(stop)) observation = observe(options, pubkeys, listener)
          },
          // A page that is offline: nobody can be watched then either.
          () => {
            if (watching.has(stop)) cancel = timers.after(LOAD_AGAIN_MS, start, { background: true })
          },
        )
      if (!closed) {
        watching.add(stop)
        start()
      }
      return stop
    },
    async close() {
      closed = true
      for (const stop of [...watching]) stop()
      await own?.close()
    },
  }
}
