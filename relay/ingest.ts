import type { Clock } from '../platform/clock.ts'
import { createPipeline, type Pipeline } from '../platform/pipeline.ts'
import { isFull } from '../platform/sqlite.ts'
import type { Verifier } from '../platform/verifier.ts'
import { createWorkLoop, type WorkLoop } from '../platform/work-loop.ts'
import { encodeEvent, hasValidId, type NostrEvent } from '../protocol/event.ts'
import { audienceOf, kindClass, VANISH } from '../protocol/kinds.ts'
import { REASONS, reason } from '../protocol/reasons.ts'
import { type GateTerms, gate, type Sender } from './gate.ts'
import type { Commit, Store } from './log/store.ts'
import { isMembershipRequest, type Verdict } from './policy/membership.ts'

/** Answers the author of one event: OK. */
export type Answer = (accepted: boolean, message: string) => void

/** Events verified in one go. Bounds the wait of the first one behind the last: 16 ms in WebAssembly. */
const VERIFY_BATCH = 64
/** Events, and characters of them, committed in one go. Of 512 each costs the writer two thirds of what it costs among 256: they share pages and a sync. */
const COMMIT_BATCH = 512
const COMMIT_CHARS = 1024 * 1024

export interface IngestOptions {
  readonly store: Store
  readonly verifier: Verifier
  readonly clock: Clock
  /** What the gate decides by, as of now. */
  readonly terms: () => GateTerms
  /** Called before each commit; may start a new epoch. */
  readonly beforeCommit: () => Promise<void>
  /** Called after each commit, when its OKs are out. */
  readonly onCommit: (commit: Commit) => void
  /** Returns what passes the event on, for after its OK; undefined if nobody is listening. */
  readonly onEphemeral: (event: NostrEvent) => ((json: string) => void) | undefined
  /** Answers what is asked of the relay itself (NIP-43). */
  readonly onRequest: (event: NostrEvent) => Promise<Verdict>
  /** Banned since the gate let it pass? */
  readonly isBanned: (id: string) => boolean
  /** What an operator should know: a failed verifier or store. */
  readonly onError: (stage: 'verify' | 'log', error: unknown) => void
}

/** Told with OK true to a key that asks to vanish where it is not. */
const NOTHING_STORED = 'nothing of this key is stored here'

interface Pending {
  readonly event: NostrEvent
  readonly answer: Answer
}

/** What became known of a batch, in its order. */
interface Checked {
  /** Where it is stored already. */
  readonly seq: number | undefined
  /** Undefined: the id is not even the event's hash. */
  readonly signed: boolean | undefined
}

/** An operator's removal waits its turn in the log's queue: what was admitted before it is stored before it. */
interface Removal {
  readonly ids: readonly string[]
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

/**
 * The way of an event into the log: gate → known? → verify → log → OK → live. Two queues, both worked off in arrival order, so that
 * events of one connection get ascending seqs while the next ones are verified during a commit.
 * Batches grow by themselves under load: a batch is whatever arrived while the ones before were being worked on.
 */
export class Ingest {
  readonly #options: IngestOptions
  readonly #logQueue: (Pending | Removal)[] = []
  readonly #verifying: Pipeline<Pending>
  readonly #logging: WorkLoop
  /** Requests to vanish, one after another. */
  #clearing: Promise<unknown> = Promise.resolve()

  constructor(options: IngestOptions) {
    this.#options = options
    this.#verifying = createPipeline<Pending, readonly Checked[]>({
      // One batch more than the verifier works on, so that it never waits for us.
      width: (options.verifier.threads ?? 1) + 1,
      batch: VERIFY_BATCH,
      work: batch => this.#check(batch),
      done: (batch, checked) => this.#settle(batch, checked),
      failed: (batch, error) => this.#giveUp(batch, error),
      onError: error => options.onError('verify', error),
    })
    this.#logging = createWorkLoop(
      () => this.#logNext(),
      error => options.onError('log', error),
    )
  }

  push(event: NostrEvent, sender: Sender, answer: Answer): void {
    const refusal = gate(event, sender, this.#options.terms())
    if (refusal !== undefined) return answer(false, refusal)
    this.#verifying.push({ event, answer })
  }

  /** Removes stored events as `deleted`. Rejects if the log could not be written. */
  remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return Promise.resolve()
    return new Promise((done, failed) => {
      this.#logQueue.push({ ids, done, failed })
      this.#logging.wake()
    })
  }

  /** Forgets what is not being verified yet; without an OK its authors send it again. */
  dropUnverified(): void {
    this.#verifying.clear()
  }

  /** Resolves when everything pushed so far has been answered. */
  async idle(): Promise<void> {
    // Verified events go on to the log, never back.
    await this.#verifying.idle()
    await this.#clearing
    await this.#logging.idle()
  }

  /** A re-sent event costs an index lookup and a hash, not a signature: if its id is right, the copy is the stored one. */
  async #check(batch: readonly Pending[]): Promise<readonly Checked[]> {
    const { store, verifier } = this.#options
    const seqs = await store.seqsOf(batch.map(({ event }) => event.id))
    const unknown = batch.flatMap(({ event }, index) => (seqs[index] === undefined ? [event] : []))
    const verdicts = (unknown.length === 0 ? [] : await verifier.verify(unknown)).values()
    return batch.map(({ event }, index): Checked => {
      const seq = seqs[index]
      const signed = seq === undefined && verdicts.next().value === true
      // The verifier has looked at the id too; where it says no, it is to be told why.
      return { seq, signed: signed || hasValidId(event) ? signed : undefined }
    })
  }

  #settle(batch: readonly Pending[], checked: readonly Checked[]): void {
    for (const [index, pending] of batch.entries()) {
      const { seq, signed } = checked[index] ?? {}
      if (signed === true) this.#admit(pending)
      else if (signed === undefined) pending.answer(false, reason('invalid', 'the id is not the hash of the event'))
      else if (seq !== undefined) pending.answer(true, REASONS.duplicate(seq))
      else pending.answer(false, REASONS.forged)
    }
  }

  #giveUp(batch: readonly Pending[], error: unknown): void {
    this.#options.onError('verify', error)
    for (const { answer } of batch) answer(false, reason('error', 'signatures cannot be checked right now; try again'))
  }

  #admit(pending: Pending): void {
    if (this.#options.isBanned(pending.event.id)) return pending.answer(false, REASONS.banned)
    if (isMembershipRequest(pending.event.kind)) {
      void this.#options.onRequest(pending.event).then(({ accepted, message }) => pending.answer(accepted, message))
      return
    }
    if (kindClass(pending.event.kind) === 'ephemeral') {
      const pass = this.#options.onEphemeral(pending.event)
      // Whether the party of a private kind is listening is its own business.
      const unheard = pass === undefined && audienceOf(pending.event.kind) === 'anyone'
      pending.answer(!unheard, unheard ? REASONS.unheard : '')
      return pass?.(encodeEvent(pending.event))
    }
    const { clearVanishing } = this.#options.store
    const { kind, pubkey, created_at } = pending.event
    const log = () => {
      this.#logQueue.push(pending)
      this.#logging.wake()
    }
    if (kind !== VANISH || clearVanishing === undefined) return log()
    // Its commit is to be short. Should the clearing fail, so will the commit, with an answer.
    this.#clearing = this.#clearing.then(() => clearVanishing(pubkey, created_at)).catch(() => {})
    void this.#clearing.then(log)
  }

  async #logNext(): Promise<boolean> {
    const [first] = this.#logQueue
    if (first !== undefined && 'ids' in first) {
      this.#logQueue.shift()
      await this.#logRemoval(first)
      return this.#logQueue.length > 0
    }
    const batch: Pending[] = []
    let chars = 0
    for (const next of this.#logQueue) {
      if ('ids' in next || batch.length === COMMIT_BATCH || chars >= COMMIT_CHARS) break
      batch.push(next)
      chars += encodeEvent(next.event).length
    }
    this.#logQueue.splice(0, batch.length)
    if (batch.length === 0) return false
    try {
      await this.#logBatch(batch)
    } catch (error) {
      this.#options.onError('log', error)
      const text = isFull(error)
        ? 'storage full, nothing was stored'
        : 'the log could not be written, nothing was stored; try again'
      for (const { answer } of batch) answer(false, reason('error', text))
    }
    return this.#logQueue.length > 0
  }

  async #logRemoval({ ids, done, failed }: Removal): Promise<void> {
    const { store, clock, beforeCommit, onCommit } = this.#options
    try {
      await beforeCommit()
      onCommit(await store.remove(ids, clock.now()))
      done()
    } catch (error) {
      failed(error)
    }
  }

  async #logBatch(batch: readonly Pending[]): Promise<void> {
    const { store, clock, beforeCommit, onCommit } = this.#options
    await beforeCommit()
    const commit = await store.append(
      batch.map(({ event }) => event),
      clock.now(),
    )
    for (const [index, outcome] of commit.outcomes.entries()) {
      const answer = batch[index]?.answer
      if (outcome.status === 'stored') answer?.(true, REASONS.stored(outcome.seq))
      else if (outcome.status === 'unneeded') answer?.(true, NOTHING_STORED)
      else if (outcome.status === 'duplicate') answer?.(true, REASONS.duplicate(outcome.seq))
      else answer?.(false, outcome.reason)
    }
    onCommit(commit)
  }
}
