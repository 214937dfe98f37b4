import { fail, type Result } from '../../protocol/result.ts'
import { coveredUpTo, type MutableCover, setEntry } from '../state/log/cover.ts'
import type { Gate, Gated } from './gate.ts'
import { concat } from './parts.ts'
import type { Replica } from './replica.ts'
import { STEPS_AT_ONCE, TRIAL_MS, type Trial } from './trial.ts'
import { decodeUpdate } from './update/decode.ts'
import { UPDATE_LIMITS } from './update/validate.ts'

/** A signed delta that cannot be what a member's software wrote: its author's session ends before it, for everybody alike. */
export interface RefusedDelta {
  readonly author: string
  readonly session: string
  readonly n: number
  readonly id: string
  readonly reason: string
}

export interface IncomingOptions {
  readonly replica: Replica
  readonly gate: Gate
  /** What the gate has let through. */
  readonly applied: MutableCover
  /** What of it is in the document: an update that comes in parts is, with its last. */
  readonly whole: MutableCover
  clientOf(author: string, session: string): number
  /** Undefined: this host has none, and what is costly is applied all the same. */
  readonly trial: Trial | undefined
  /** The published state as it is, for a trial to start from. */
  state(): Uint8Array
  onRefused(refused: RefusedDelta): void
  /** Yjs keeps something waiting that nobody can bring. */
  onStuck(): void
  /** Everything that can be applied is. */
  onIdle(): void
}

/** What the gate lets through goes into the document: joined if it came in parts, judged, tried out if it is costly, in one transaction. */
export interface Incoming {
  pump(): void
  /**
   * A state was joined: it may contain parts that were waiting for others, and changes that were refused. True if the session of a
   * refused change counts again.
   */
  advanced(): boolean
  /** A change was refused that no state has brought since. */
  readonly refused: boolean
  readonly busy: boolean
}

interface Change {
  readonly delta: Gated
  readonly update: Uint8Array
}

export function createIncoming(options: IncomingOptions): Incoming {
  const { replica, gate, applied, whole, trial } = options
  /** Of updates that are not complete, and the number of the last one here. */
  const parts = new Map<string, { readonly pieces: readonly Uint8Array[]; readonly last: number }>()
  const ended = new Map<string, number>()
  let busy = false
  let again = false

  const keyOf = ({ author, session }: Gated) => `${author}:${session}`

  function refuse(delta: Gated, reason: string): void {
    const { author, session, n, id } = delta
    ended.set(keyOf(delta), n)
    gate.refuse(author, session, n)
    if (n > 1) setEntry(applied, author, session, { n: n - 1 })
    else applied.get(author)?.delete(session)
    options.onRefused({ author, session, n, id, reason })
  }

  /** The update that ends with this delta; undefined if there is more of it to come, or too much of it. */
  function joined(delta: Gated): Uint8Array | undefined {
    const key = keyOf(delta)
    const pieces = [...(parts.get(key)?.pieces ?? []), delta.bytes]
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (length > UPDATE_LIMITS.joinedBytes || pieces.length > UPDATE_LIMITS.parts) {
      parts.delete(key)
      refuse(delta, 'its parts are too large together')
      return undefined
    }
    if (delta.more) {
      parts.set(key, { pieces, last: delta.n })
      return undefined
    }
    parts.delete(key)
    return pieces.length === 1 ? delta.bytes : concat(pieces)
  }

  function applyAll(changes: readonly Change[]): void {
    if (changes.length === 0) return
    const applyEach = () => {
      for (const { delta, update } of changes) {
        if (delta.n >= (ended.get(keyOf(delta)) ?? Number.POSITIVE_INFINITY)) continue
        const judged = applyOne(delta, update)
        if (judged.ok) setEntry(whole, delta.author, delta.session, { n: delta.n, id: delta.id.slice(0, 16) })
        else refuse(delta, judged.error)
      }
    }
    try {
      if (!replica.together(applyEach)) options.onStuck()
    } catch (error) {
      // What listens to the document threw, when everything was done: the program's own mistake must surface, elsewhere.
      queueMicrotask(() => {
        throw error
      })
    }
  }

  function applyOne({ author, session }: Gated, update: Uint8Array): Result<unknown> {
    try {
      return replica.apply(update, options.clientOf(author, session))
    } catch (error) {
      return fail(`Yjs did not take it: ${String(error)}`)
    }
  }

  function isCostly(update: Uint8Array): boolean {
    const decoded = decodeUpdate(update)
    if (!decoded.ok) return false
    const { runs, deletes } = decoded.value
    const size = runs.reduce((sum, { structs }) => sum + structs.length, deletes.length)
    return size * (size + replica.size) > STEPS_AT_ONCE
  }

  async function run(): Promise<void> {
    for (let ready = gate.take(); ready.length > 0; ready = gate.take()) {
      let changes: Change[] = []
      for (const delta of ready) {
        if (delta.n >= (ended.get(keyOf(delta)) ?? Number.POSITIVE_INFINITY)) continue
        const update = joined(delta)
        if (update === undefined) continue
        if (trial && isCostly(update)) {
          applyAll(changes)
          changes = []
          if (!(await trial(options.state(), [update], TRIAL_MS))) {
            refuse(delta, `it takes longer than ${TRIAL_MS} ms to apply`)
            continue
          }
        }
        changes.push({ delta, update })
      }
      applyAll(changes)
    }
  }

  async function work(): Promise<void> {
    while (again) {
      again = false
      await run()
    }
    busy = false
    options.onIdle()
  }

  return {
    get busy() {
      return busy
    },
    advanced() {
      for (const [key, pieces] of parts) {
        const [author = '', session = ''] = key.split(':')
        if (coveredUpTo(whole, author, session) >= pieces.last) parts.delete(key)
      }
      let resumed = false
      for (const [key, n] of ended) {
        const [author = '', session = ''] = key.split(':')
        if (coveredUpTo(whole, author, session) < n) continue
        ended.delete(key)
        gate.resume(author, session)
        resumed = true
      }
      return resumed
    },
    get refused() {
      return ended.size > 0
    },
    pump() {
      again = true
      if (busy) return
      busy = true
      void work()
    },
  }
}
