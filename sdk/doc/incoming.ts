import type { Cancel, Timers } from '../../platform/timers.ts'
import { fail, type Result } from '../../protocol/result.ts'
import type { Dependency } from '../../protocol/state.ts'
import { coveredUpTo, type MutableCover, setEntry } from '../state/log/cover.ts'
import type { Gate, Gated } from './gate.ts'
import { concat } from './parts.ts'
import type { Replica } from './replica.ts'
import { againMs, STEPS_AT_ONCE, type Trial, trialMs } from './trial.ts'
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
  /** Needed where there is a trial. */
  readonly timers?: Timers | undefined
  /** The published state as it is, for a trial to start from. */
  state(): Uint8Array
  onRefused(refused: RefusedDelta): void
  /** A change takes this machine longer than `ms`: it and what follows it wait for another trial. */
  onPostponed?: ((change: RefusedDelta) => void) | undefined
  /** The session of a postponed change counts again: what came behind it has to be offered once more. */
  onResumed?(): void
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
  /** Changes that wait for another trial. */
  readonly postponed: number
  readonly busy: boolean
  close(): void
}

interface Parts {
  readonly pieces: readonly Uint8Array[]
  readonly last: number
}

interface Change {
  readonly delta: Gated
  readonly update: Uint8Array
  readonly earlier: Parts | undefined
}

export function createIncoming(options: IncomingOptions): Incoming {
  const { replica, gate, applied, whole, trial } = options
  /** Of updates that are not complete, and the number of the last one here. */
  const parts = new Map<string, Parts>()
  const ended = new Map<string, number>()
  const postponed = new Map<string, { readonly n: number; readonly cancel: Cancel }>()
  /** Trials of a session's next change that have failed. */
  const tries = new Map<string, number>()
  let busy = false
  let again = false

  const keyOf = ({ author, session }: Gated) => `${author}:${session}`

  /** Its session ends before it, for good or for now. */
  function isOver(delta: Gated): boolean {
    const key = keyOf(delta)
    return (
      delta.n >= Math.min(ended.get(key) ?? Number.POSITIVE_INFINITY, postponed.get(key)?.n ?? Number.POSITIVE_INFINITY)
    )
  }

  function refuse(delta: Gated, reason: string): void {
    const { author, session, n, id } = delta
    ended.set(keyOf(delta), n)
    gate.refuse(author, session, n)
    takeBack(delta)
    parts.delete(keyOf(delta))
    options.onRefused({ author, session, n, id, reason })
  }

  /** It does not count as applied, nor does what follows it. */
  function takeBack({ author, session, n }: Gated): void {
    if (coveredUpTo(applied, author, session) < n) return
    if (n > 1) setEntry(applied, author, session, { n: n - 1 })
    else applied.get(author)?.delete(session)
  }

  /** What the gate let through in the belief that something before it counts waits there again. */
  function isStill(delta: Gated, earlier: Parts | undefined): boolean {
    const { author, session, n } = delta
    const isMet = (on: Dependency) => on.n <= coveredUpTo(applied, on.author, on.session)
    const isLetThrough = coveredUpTo(applied, author, session) >= n
    if (isLetThrough && delta.deps.every(isMet)) return true
    if (isLetThrough) putBack(delta, earlier)
    takeBack(delta)
    gate.offer(delta)
    return false
  }

  /** Parts that came before it, without those that came behind. */
  function putBack(delta: Gated, earlier: Parts | undefined): void {
    if (earlier) parts.set(keyOf(delta), earlier)
    else parts.delete(keyOf(delta))
  }

  function postpone(delta: Gated, pieces: Parts | undefined): void {
    const { author, session, n, id } = delta
    const key = keyOf(delta)
    const failed = tries.get(key) ?? 0
    tries.set(key, failed + 1)
    gate.refuse(author, session, n)
    takeBack(delta)
    putBack(delta, pieces)
    const again = () => {
      postponed.delete(key)
      gate.resume(author, session)
      options.onResumed?.()
    }
    const cancel = options.timers?.after(againMs(failed), again, { background: true }) ?? (() => {})
    postponed.set(key, { n, cancel })
    const reason = `this machine needs more than ${trialMs(failed)} ms to apply it`
    if (failed === 0) options.onPostponed?.({ author, session, n, id, reason })
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
      for (const { delta, update, earlier } of changes) {
        if (isOver(delta) || !isStill(delta, earlier)) continue
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
        const earlier = parts.get(keyOf(delta))
        if (isOver(delta) || !isStill(delta, earlier)) continue
        const update = joined(delta)
        if (update === undefined) continue
        if (trial && isCostly(update)) {
          applyAll(changes)
          changes = []
          if (isOver(delta) || !isStill(delta, earlier)) continue
          if (!(await trial(options.state(), [update], trialMs(tries.get(keyOf(delta)) ?? 0)))) {
            postpone(delta, earlier)
            continue
          }
          tries.delete(keyOf(delta))
        }
        changes.push({ delta, update, earlier })
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
      for (const [key, { n, cancel }] of postponed) {
        const [author = '', session = ''] = key.split(':')
        if (coveredUpTo(whole, author, session) < n) continue
        cancel()
        postponed.delete(key)
        tries.delete(key)
        gate.resume(author, session)
        resumed = true
      }
      return resumed
    },
    get refused() {
      return ended.size > 0
    },
    get postponed() {
      return postponed.size
    },
    close() {
      for (const { cancel } of postponed.values()) cancel()
    },
    pump() {
      again = true
      if (busy) return
      busy = true
      void work()
    },
  }
}
