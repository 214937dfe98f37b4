import type { Cancel, Timers } from '../platform/timers.ts'
import type { Filter } from '../protocol/filter.ts'
import { encode } from '../protocol/frames.ts'
import { bytesToHex, hexToBytes } from '../protocol/hex.ts'
import type { Limits } from '../protocol/limits.ts'
import { type PackedStubs, RecordSet, respond } from '../protocol/negentropy/index.ts'
import { reason } from '../protocol/reasons.ts'
import type { Position, Store } from './log/store.ts'
import { askerOf } from './policy/asking.ts'
import type { Sender } from './policy/policy.ts'

/** Records read per call, so that other readers have their turn in between. */
const PAGE = 10_000
/** Bytes of an answer: twice as many characters of hex stay within what common clients take. */
const ANSWER_BYTES = 60_000

/** All reconciliations of a relay together: what they share is a bound on memory. */
export interface NegentropyHost {
  readonly store: Store
  readonly timers: Timers
  readonly limits: Limits
  /** Seconds. */
  now(): number
  onError(where: string, error: unknown): void
  /** The reason why this sender may not ask this, or undefined. */
  refuseRead(filters: readonly Filter[], sender: Sender): string | undefined
  /** Records held by all open sessions. */
  held: number
}

export interface NegentropyPeer extends Sender {
  /** Keys authenticated so far; access is decided for those of the moment a session opens. */
  readonly keys: readonly string[]
  send(text: string): void
}

interface Session {
  readonly filter: Filter
  /** Undefined while it is being read. */
  set: RecordSet | undefined
  held: number
  closed: boolean
  cancelIdle: Cancel
}

/** The reconciliations (NIP-77) of one connection. Their ids are a namespace of their own. */
export class NegentropySessions {
  readonly #host: NegentropyHost
  readonly #peer: NegentropyPeer
  readonly #sessions = new Map<string, Session>()

  constructor(host: NegentropyHost, peer: NegentropyPeer) {
    this.#host = host
    this.#peer = peer
  }

  /** Reads what the filter finds and answers the first message. An id that is open is closed first. */
  open(sub: string, filter: Filter, message: string): void {
    this.close(sub)
    const { negentropySessions } = this.#host.limits
    const { keys } = this.#peer
    const refusal =
      filter.since_seq !== undefined || filter.epoch !== undefined || filter.gone !== undefined
        ? reason('invalid', 'since_seq, epoch and gone belong to REQ')
        : this.#host.refuseRead([filter], this.#peer)
    if (refusal !== undefined) return this.#peer.send(encode.negErr(sub, refusal))
    if (this.#sessions.size >= negentropySessions)
      return this.#peer.send(
        encode.negErr(
          sub,
          reason('rate-limited', `${negentropySessions} reconciliations are open; NEG-CLOSE one first`),
        ),
      )
    const session: Session = { filter, set: undefined, held: 0, closed: false, cancelIdle: () => {} }
    this.#sessions.set(sub, session)
    this.#load(sub, session, filter, keys).then(
      set => {
        if (set === undefined || session.closed) return
        session.set = set
        this.#answer(sub, session, set, message)
      },
      error => {
        if (session.closed) return
        this.#host.onError('negentropy', error)
        this.refuse(sub, reason('error', 'the log could not be read; try again'))
      },
    )
  }

  message(sub: string, message: string): void {
    const session = this.#sessions.get(sub)
    if (session === undefined)
      return this.#peer.send(encode.negErr(sub, reason('closed', 'no reconciliation is open under this id')))
    if (session.set === undefined)
      return this.refuse(sub, reason('invalid', 'NEG-MSG before the answer to the last one'))
    // A message of a few bytes makes us look at the whole set, so each is a request of its own.
    const refusal = this.#host.refuseRead([session.filter], this.#peer)
    if (refusal !== undefined) return this.refuse(sub, refusal)
    this.#answer(sub, session, session.set, message)
  }

  /** Ends a session and says why; also for an id that is not open. */
  refuse(sub: string, why: string, cap?: number): void {
    this.close(sub)
    this.#peer.send(encode.negErr(sub, why, cap))
  }

  close(sub: string): void {
    const session = this.#sessions.get(sub)
    if (session === undefined) return
    this.#sessions.delete(sub)
    session.closed = true
    session.set = undefined
    session.cancelIdle()
    this.#host.held -= session.held
    session.held = 0
  }

  closeAll(): void {
    for (const sub of [...this.#sessions.keys()]) this.close(sub)
  }

  async #load(sub: string, session: Session, filter: Filter, keys: readonly string[]): Promise<RecordSet | undefined> {
    const host = this.#host
    const { negentropyRecords, negentropyRecordsTotal } = host.limits
    const wanted = filter.limit ?? Number.POSITIVE_INFINITY
    const pages: PackedStubs[] = []
    const asker = askerOf(this.#peer, this.#peer, () => session.closed)
    let next: { after: Position; upTo: number } | undefined
    for (;;) {
      // One more than may be had tells that there are too many.
      const limit = Math.min(PAGE, wanted - session.held, negentropyRecords - session.held + 1)
      if (limit <= 0) return new RecordSet(pages)
      const page = await host.store.stubs({ filter, keys, now: host.now(), limit, asker, ...next })
      if (session.closed) return undefined
      session.held += page.times.length
      host.held += page.times.length
      pages.push(page)
      if (session.held > negentropyRecords) {
        const why = `this filter finds more than ${negentropyRecords} events; narrow it, for instance by since and until`
        this.refuse(sub, reason('blocked', why), negentropyRecords)
        return undefined
      }
      if (host.held > negentropyRecordsTotal) {
        this.refuse(sub, reason('rate-limited', 'too many reconciliations are going on; try again later'))
        return undefined
      }
      if (page.next === undefined) return new RecordSet(pages)
      next = { after: page.next, upTo: page.seq }
    }
  }

  #answer(sub: string, session: Session, set: RecordSet, message: string): void {
    const { limits, timers } = this.#host
    const answer = respond(set, hexToBytes(message), Math.min(ANSWER_BYTES, Math.floor(limits.frameBytes / 2) - 256))
    if (!answer.ok) return this.refuse(sub, reason('invalid', 'the message does not follow Negentropy Protocol V1'))
    session.cancelIdle()
    session.cancelIdle = timers.after(
      limits.negentropyIdleMs,
      () => this.refuse(sub, reason('closed', 'no message came for too long; open it again')),
      { background: true },
    )
    this.#peer.send(encode.negMsg(sub, bytesToHex(answer.value)))
  }
}
