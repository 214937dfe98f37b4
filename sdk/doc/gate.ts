import type { Dependency } from '../../protocol/state.ts'
import { coveredUpTo, type MutableCover, setEntry } from '../state/log/cover.ts'

/** What one author may have waiting here: more is let go, and comes back with a snapshot. */
export const GATE_LIMITS = { deltas: 1_000, bytes: 1_048_576 } as const

/** One delta on its way to the document. */
export interface Gated {
  readonly author: string
  readonly session: string
  readonly n: number
  readonly id: string
  readonly deps: readonly Dependency[]
  /** The next of its author goes on with the same update. */
  readonly more: boolean
  readonly bytes: Uint8Array
}

/** Lets deltas through in the order of their authors, each behind what it was written after. */
export interface Gate {
  /** False: there is no room for it. */
  offer(delta: Gated): boolean
  /** Those that may be applied now, in an order that holds; they count as applied from here on. */
  take(): Gated[]
  /** `applied` has grown by other ways (a snapshot, an own write): what it covers is let go. */
  advanced(): void
  /** Nothing of a session counts from `n` on: its author has forked it. */
  freeze(author: string, session: string, n: number): void
  /** Nothing of a session counts from `n` on, until {@link Gate.resume}. */
  refuse(author: string, session: string, n: number): void
  /** The session of a refused change counts again: a state has brought that change. */
  resume(author: string, session: string): void
  readonly waiting: number
}

const NEVER = Number.POSITIVE_INFINITY

interface Stream {
  readonly author: string
  readonly session: string
  readonly held: Map<number, Gated>
  /** First n that does not count, for good. */
  end: number
  /** The same for the time being. */
  refusedAt: number
}

/** `applied` is the caller's, and is moved along by {@link Gate.take}. */
export function createGate(applied: MutableCover): Gate {
  const streams = new Map<string, Stream>()
  const usage = new Map<string, { deltas: number; bytes: number }>()
  let waiting = 0

  const streamOf = (author: string, session: string): Stream => {
    const key = `${author}:${session}`
    const stream = streams.get(key) ?? { author, session, held: new Map(), end: NEVER, refusedAt: NEVER }
    streams.set(key, stream)
    return stream
  }

  function account(delta: Gated, sign: 1 | -1): void {
    const used = usage.get(delta.author) ?? { deltas: 0, bytes: 0 }
    used.deltas += sign
    used.bytes += sign * delta.bytes.length
    waiting += sign
    usage.set(delta.author, used)
  }

  function release(stream: Stream, delta: Gated): void {
    stream.held.delete(delta.n)
    account(delta, -1)
  }

  const endOf = (stream: Stream) => Math.min(stream.end, stream.refusedAt)

  function letGo(stream: Stream): void {
    for (const delta of [...stream.held.values()]) if (delta.n >= endOf(stream)) release(stream, delta)
  }

  const isMet = ({ author, session, n }: Dependency) => n <= coveredUpTo(applied, author, session)

  return {
    offer(delta) {
      const stream = streamOf(delta.author, delta.session)
      if (delta.n <= coveredUpTo(applied, delta.author, delta.session)) return true
      if (delta.n >= endOf(stream) || stream.held.has(delta.n)) return true
      const used = usage.get(delta.author) ?? { deltas: 0, bytes: 0 }
      if (used.deltas >= GATE_LIMITS.deltas || used.bytes + delta.bytes.length > GATE_LIMITS.bytes) return false
      stream.held.set(delta.n, delta)
      account(delta, 1)
      return true
    },
    take() {
      const ready: Gated[] = []
      let moved = true
      while (moved) {
        moved = false
        for (const stream of streams.values()) {
          for (;;) {
            const next = stream.held.get(coveredUpTo(applied, stream.author, stream.session) + 1)
            if (next === undefined || !next.deps.every(isMet)) break
            release(stream, next)
            setEntry(applied, next.author, next.session, { n: next.n, id: next.id.slice(0, 16) })
            ready.push(next)
            moved = true
          }
        }
      }
      return ready
    },
    advanced() {
      for (const stream of streams.values()) {
        const covered = coveredUpTo(applied, stream.author, stream.session)
        for (const delta of [...stream.held.values()]) if (delta.n <= covered) release(stream, delta)
      }
    },
    freeze(author, session, n) {
      const stream = streamOf(author, session)
      stream.end = Math.min(stream.end, n)
      letGo(stream)
    },
    refuse(author, session, n) {
      const stream = streamOf(author, session)
      stream.refusedAt = Math.min(stream.refusedAt, n)
      letGo(stream)
    },
    resume(author, session) {
      streamOf(author, session).refusedAt = NEVER
    },
    get waiting() {
      return waiting
    },
  }
}
