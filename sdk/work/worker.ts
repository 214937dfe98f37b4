import type { Clock } from '../../platform/clock.ts'
import { createPace } from '../../platform/pace.ts'
import type { Random } from '../../platform/random.ts'
import { type Cancel, sleep, type Timers } from '../../platform/timers.ts'
import { AgentClosedError } from '../errors.ts'
import { backoffMs } from '../link/backoff.ts'
import type { StoredMail, WorkQuery } from '../mail/store.ts'
import type { Amounts } from '../mail/types.ts'
import type { HandleOptions } from '../messaging.ts'
import type { Rates } from '../rate.ts'
import { concluded, type Ending, interrupted, isPassing, reasonOf } from './ending.ts'
import { type Conclusion, createOutcomes, type OutcomeOptions } from './outcome.ts'
import { createUnknownActs } from './unknown-acts.ts'
import { schemasOf, type WorkOf } from './work-of.ts'

const TIME_LIMIT_MS = 300_000
const MAX_ATTEMPTS = 3
/** After the last `handle()`, before anybody is told that an act is not understood: more handlers may be about to come. */
const SETTLED_MS = 5_000
const REPEAT_WAIT_MS = 1_000

export interface WorkerOptions extends Omit<OutcomeOptions, 'isClosed'> {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly rates: Rates
  /** Public keys that handlers run for; undefined means anyone. */
  accepted(): readonly string[] | undefined
  /** Public keys that may be told `not-understood`. */
  contacts(): readonly string[]
  /** Why loop safety forbids to work on it, if it does. */
  fault(mail: StoredMail, loops: boolean): Promise<string | undefined>
  /** Something of this sender was worked off. */
  onWorked(from: string): void
  /** Nothing more can be begun now, and nothing runs. */
  onIdle(): void
}

/** One try at one message. */
export interface Attempt {
  /** The handler's value. What it throws ends the attempt. */
  run(signal: AbortSignal): unknown
  /** Used up for the message in this attempt. */
  spent(): Amounts | undefined
}

/** Which messages, and what to do with them. */
export interface Duty {
  /** One handler each. */
  readonly name: string
  readonly query: () => WorkOf
  attempt(mail: StoredMail): Attempt
}

interface Registration {
  readonly duty: Duty
  readonly concurrency: number
  readonly timeoutMs: number
  readonly maxAttempts: number
  readonly loops: boolean
  running: number
}

/** Works the inbox off: each message at least once, its outcome and reply in one transaction, a stuck one out of the others' way. */
export interface Worker {
  handle(duty: Duty, options?: HandleOptions): void
  /** New mail may be there. */
  wake(): void
  /** No more handlers come: what is not understood is answered now. */
  settle(): void
  /** Something runs, or can be begun now. */
  readonly isBusy: boolean
  /** What there are handlers for. */
  queries(): readonly WorkQuery[]
  /** Messages concluded since the agent was opened, by how. */
  readonly conclusions: Readonly<Record<Conclusion['kind'], number>>
  /** Aborts what runs and waits for it at most `ms`; what does not end goes back to the inbox uncounted. */
  stop(ms: number): Promise<void>
}

export function createWorker(options: WorkerOptions): Worker {
  const { store, clock, timers, random, rates } = options
  const registrations = new Map<string, Registration>()
  const stopping = new AbortController()
  const running = new Map<Promise<void>, StoredMail>()
  /** Of what runs now. One each: a signal that fifty handlers listen to is a leak in Node's eyes. */
  const attempts = new Set<AbortController>()
  const pace = createPace(clock.monotonic)
  const isClosed = () => closed
  const known = () => [...registrations.values()].map(({ duty }) => duty.query())
  const writeOutcome = createOutcomes({ ...options, isClosed })
  const conclusions = { done: 0, declined: 0, repeated: 0, failed: 0, rejected: 0, 'not-understood': 0 }
  const write: typeof writeOutcome = async (mail, conclusion) => {
    await writeOutcome(mail, conclusion)
    conclusions[conclusion.kind] += 1
  }
  const unknown = createUnknownActs({ store, write, isClosed, known, pace, contacts: options.contacts })
  let closed = false
  let goesOn = false
  let handlersSettled = false
  let cancelSettle: Cancel = () => {}
  let cancelDue: Cancel = () => {}

  function dispatch(): void {
    if (stopping.signal.aborted) return
    const from = options.accepted()
    const nowMs = clock.now()
    let waitMs = Number.POSITIVE_INFINITY
    for (const registration of registrations.values()) {
      while (registration.running < registration.concurrency) {
        if (!pace.take()) return goOn()
        const spent = rates.spent()
        waitMs = Math.min(waitMs, spent.waitMs)
        const mail = store.nextWork(queryOf(registration.duty, from, nowMs, spent.senders))
        if (!mail) break
        begin(registration, mail)
      }
    }
    if (handlersSettled) void unknown.refuse().then(restIfIdle)
    planDue(nowMs, waitMs)
    restIfIdle()
  }

  const isBusy = () => running.size > 0 || goesOn || unknown.isBusy
  function restIfIdle(): void {
    if (!isBusy()) options.onIdle()
  }

  /** In the next turn of the event loop: with thousands waiting, timers and sockets have theirs between them. */
  function goOn(): void {
    if (goesOn) return
    goesOn = true
    pace.next().then(() => {
      goesOn = false
      dispatch()
    })
  }

  function queryOf(
    { query }: Duty,
    from = options.accepted(),
    nowMs = clock.now(),
    notFrom = rates.spent().senders,
  ): WorkQuery {
    const wanted = query()
    return {
      ...wanted,
      nowMs,
      notFrom,
      ...(from ? { from } : {}),
      notSchemas: 'act' in wanted && wanted.schema === undefined ? schemasOf(wanted.act, known()) : [],
    }
  }

  /** For what was not due at `nowMs`, and senders that had to wait: either may have changed since. */
  function planDue(nowMs: number, waitMs: number): void {
    cancelDue()
    // What was due waits for a free slot or an unknown sender; both wake us.
    const dueMs = store.nextDueMs(nowMs) ?? Number.POSITIVE_INFINITY
    const wait = Math.ceil(Math.min(dueMs - clock.now(), waitMs))
    if (wait < Number.POSITIVE_INFINITY) cancelDue = timers.after(wait, dispatch, { background: true })
  }

  function begin(registration: Registration, mail: StoredMail): void {
    const attempts = store.beginWork(mail.id)
    const begun = { ...mail, attempts }
    if (attempts === 1) rates.charge(mail.from)
    registration.running += 1
    const work = workOn(registration, begun).then(() => {
      registration.running -= 1
      running.delete(work)
      if (!closed) options.onWorked(mail.from)
      dispatch()
    })
    running.set(work, begun)
  }

  async function workOn(registration: Registration, mail: StoredMail): Promise<void> {
    const { maxAttempts, duty } = registration
    try {
      if (mail.attempts > maxAttempts)
        return await write(
          { ...mail, attempts: mail.attempts - 1 },
          { kind: 'failed', reason: mail.error ?? 'it was interrupted each time' },
        )
      const ruled = await rule(mail, registration.loops)
      if (ruled === 'later') return postpone(mail, 'it has to wait for another message', REPEAT_WAIT_MS)
      if (ruled) return await write(mail, ruled)
      const attempt = duty.attempt(mail)
      const ending = await run(attempt, registration)
      if (closed) return
      if (ending.end === 'stopped') return store.endWork(mail.id, interrupted(mail))
      const conclusion = concluded(ending, mail, maxAttempts, attempt.spent())
      if (conclusion) return await write(mail, conclusion)
      const dueMs = clock.now() + backoffMs(mail.attempts, random)
      store.endWork(mail.id, { state: 'failed', error: reasonOf(ending.end === 'error' ? ending.error : ''), dueMs })
    } catch (error) {
      if (closed) return
      // The key is elsewhere and gives no answer: due again, uncounted, so that the outcome is not lost.
      if (isPassing(error)) return postpone(mail, reasonOf(error), backoffMs(mail.attempts, random))
      // Work was done; only its answer cannot travel. Doing it again would not help.
      const reason = `the answer cannot be sent: ${reasonOf(error)}`
      await write(mail, { kind: 'failed', reason }).catch(() => {
        if (closed) return
        store.endWork(mail.id, { state: 'set-aside', error: `${reason} (and its sender could not be told)` })
        conclusions.failed += 1
      })
    }
  }

  /** What is decided before a handler sees the message. */
  async function rule(mail: StoredMail, loops: boolean): Promise<Conclusion | 'later' | undefined> {
    if (mail.deadline !== undefined && mail.deadline * 1000 <= clock.now())
      return { kind: 'rejected', reason: 'expired: its deadline had passed' }
    if (mail.idem !== undefined) {
      const twin = [...running.values()].some(
        other => other.id !== mail.id && other.from === mail.from && other.idem === mail.idem,
      )
      if (twin) return 'later'
      const before = store.finished(mail.from, mail.idem)
      if (before && before.id !== mail.id && before.state === 'done') {
        const isSame = before.act === mail.act && before.text === mail.text && before.schema === mail.schema
        return isSame
          ? { kind: 'repeated', result: before.result }
          : { kind: 'rejected', reason: 'conflict: this idem key was used for another message' }
      }
    }
    let fault: string | undefined
    try {
      fault = await options.fault(mail, loops)
    } catch {
      // What looks along the chain could not be loaded, say: a page may be offline.
      return 'later'
    }
    return fault === undefined ? undefined : { kind: 'rejected', reason: fault }
  }

  /** Ends when the handler does, its time is over, or we are closed; a handler that ignores its signal is left behind. */
  function run(attempt: Attempt, { timeoutMs }: Registration): Promise<Ending> {
    const controller = new AbortController()
    return new Promise(resolve => {
      const end = (ending: Ending) => {
        cancel()
        attempts.delete(controller)
        resolve(ending)
      }
      attempts.add(controller)
      const cancel = timers.after(timeoutMs, () => {
        const error = new Error(`no result within ${timeoutMs} ms`)
        end({ end: 'error', error })
        controller.abort(error)
      })
      Promise.resolve()
        .then(() => attempt.run(controller.signal))
        .then(
          value => end({ end: 'value', value }),
          error => end(stopping.signal.aborted ? { end: 'stopped' } : { end: 'error', error }),
        )
    })
  }

  function settle(): void {
    cancelSettle()
    handlersSettled = true
    unknown.stir()
    dispatch()
  }

  function postpone(mail: StoredMail, error: string, ms: number): void {
    store.endWork(mail.id, { state: 'failed', error, dueMs: clock.now() + ms, attempts: mail.attempts - 1 })
  }

  return {
    handle(duty, { concurrency = 1, timeoutMs = TIME_LIMIT_MS, maxAttempts = MAX_ATTEMPTS, loops = 'refuse' } = {}) {
      if (registrations.has(duty.name))
        throw new TypeError(`there is already a handler for ${JSON.stringify(duty.name)}.`)
      for (const [name, value] of Object.entries({ concurrency, timeoutMs, maxAttempts }))
        if (!(Number.isSafeInteger(value) && value > 0)) throw new RangeError(`${name} must be a whole number above 0.`)
      registrations.set(duty.name, {
        duty,
        concurrency,
        timeoutMs,
        maxAttempts,
        loops: loops === 'refuse',
        running: 0,
      })
      handlersSettled = false
      cancelSettle()
      cancelSettle = timers.after(SETTLED_MS, settle, { background: true })
      queueMicrotask(dispatch)
    },
    settle() {
      if (registrations.size > 0) settle()
    },
    get isBusy() {
      return isBusy()
    },
    queries: () => [...registrations.values()].map(({ duty }) => queryOf(duty)),
    conclusions,
    wake() {
      unknown.stir()
      dispatch()
    },
    async stop(ms) {
      cancelSettle()
      cancelDue()
      stopping.abort(new AgentClosedError())
      for (const attempt of [...attempts]) attempt.abort(stopping.signal.reason)
      const patience = new AbortController()
      await Promise.race([Promise.allSettled(running.keys()), sleep(timers, ms, patience.signal)])
      patience.abort()
      closed = true
      for (const mail of running.values()) store.endWork(mail.id, interrupted(mail))
    },
  }
}
