import type { Cancel } from '../platform/timers.ts'
import type { Host } from './api.ts'
import type { MaybePromise, Signer } from './identity/signer.ts'
import type { Line } from './link/line.ts'
import type { Visit } from './relays/visits.ts'
import type { AgentStates } from './state/agent-state.ts'
import { lazyStateDesk } from './state/lazy-desk.ts'
import type { Unsent } from './state/owned/types.ts'
import type { StateStore } from './state/store.ts'
import { type StateSurroundings, surround } from './state/surroundings.ts'

export interface StatesOptions extends Host {
  readonly signer: Signer
  lines(): readonly Line[]
  eachLine(begin: (line: Line) => Cancel): Cancel
  visit(pubkey: string): Promise<Visit>
  resolve(who: string): string
  ensureOpen(): void
  openStateStore(): MaybePromise<StateStore>
}

/** All state beside one agent. */
export interface States {
  readonly api: AgentStates
  /** From now on `surroundingsOf` knows this agent. */
  surround(agent: object): void
  /** Tells what waits, for at most `ms`, and ends it all. */
  close(ms: number): Promise<void>
  /** What of it waits for another start, as far as it was opened in this one. */
  unsent(): Unsent
}

const NOTHING: Unsent = { unwritten: 0, unacknowledged: 0 }

export function createStates(options: StatesOptions): States {
  const attached = new Map<(timeoutMs: number) => Promise<unknown>, () => Unsent>()
  let store: Promise<StateStore> | undefined

  const surroundings: StateSurroundings = {
    ...options,
    pubkey: options.signer.pubkey,
    store() {
      store ??= Promise.resolve(options.openStateStore())
      store.catch(() => {
        store = undefined
      })
      return store
    },
    attach(close, unsent = () => NOTHING): Cancel {
      attached.set(close, unsent)
      return () => void attached.delete(close)
    },
  }

  return {
    api: lazyStateDesk(surroundings),
    surround: agent => surround(agent, surroundings),
    async close(ms) {
      await Promise.all([...attached.keys()].map(close => close(ms).catch(() => {})))
      await store?.then(kept => kept.durable?.()).catch(() => {})
    },
    unsent() {
      const all = [...attached.values()].map(unsent => unsent())
      const sum = (name: keyof Unsent) => all.reduce((total, each) => total + each[name], 0)
      return Object.freeze({ unwritten: sum('unwritten'), unacknowledged: sum('unacknowledged') })
    },
  }
}
