import { createMemoryStore } from '../relay/log/memory.ts'
import type { Store } from '../relay/log/store.ts'

/** What changes a log; everything else reads it. */
const WRITES = [
  'startEpoch',
  'append',
  'putWill',
  'dropWill',
  'remove',
  'writeSetting',
  'sweepExpired',
  'prune',
] as const
type Write = (typeof WRITES)[number]
const WRITE_NAMES: ReadonlySet<unknown> = new Set(WRITES)

/** A relay's log as it was at one moment. */
export interface LogSnapshot {
  /** How much of the journal had been written. */
  readonly writes: number
  readonly journal: readonly (readonly [Write, readonly unknown[]])[]
}

/** A log in memory that outlives the relay that serves it, and can be put back to an older state, as by a restored backup. */
export interface MeshLog {
  readonly store: Store
  /** Throws if no journal is kept. */
  snapshot(): LogSnapshot
}

/** Cannot be put back, and in return keeps no more than a log does: for long runs. */
export function createPlainMeshLog(): MeshLog {
  return {
    store: keptOpen(createMemoryStore()),
    snapshot() {
      throw new Error('the relays of this mesh keep no journal; make it with rewindable: true')
    },
  }
}

/** A relay that ends closes its log; this one outlives it. */
const keptOpen = (inner: Store): Store =>
  new Proxy(inner, {
    get: (target, name) => (name === 'close' ? async () => {} : Reflect.get(target, name, target)),
  })

/** What a log does follows from the calls alone, so an older one is made by repeating the first of them. */
export async function createMeshLog(from?: LogSnapshot): Promise<MeshLog> {
  const journal = from?.journal.slice(0, from.writes) ?? []
  const inner = createMemoryStore()
  const call = (write: Write, args: readonly unknown[]): unknown =>
    (inner[write] as (...args: readonly unknown[]) => unknown)(...args)
  for (const [write, args] of journal) await call(write, args)
  const isWrite = (name: unknown): name is Write => WRITE_NAMES.has(name)
  const store = new Proxy(inner, {
    get(target, name) {
      if (name === 'close') return async () => {}
      if (!isWrite(name)) return Reflect.get(target, name, target)
      return (...args: readonly unknown[]) => {
        journal.push([name, args])
        return call(name, args)
      }
    },
  })
  return { store, snapshot: () => ({ writes: journal.length, journal }) }
}
