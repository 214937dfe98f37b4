import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import { type Cancel, sleep, type Timers } from '../../platform/timers.ts'
import { wantsUnderstanding } from '../acts.ts'
import { AgentClosedError } from '../errors.ts'
import { backoffMs } from '../link/backoff.ts'
import type { StoredMail } from '../mail/store.ts'
import type { Amounts } from '../mail/types.ts'
import type { HandleOptions } from '../messaging.ts'
import type { Rates } from '../rate.ts'
import { concluded, type Ending, interrupted, isPassing, reasonOf } from './ending.ts'
import { type Conclusion, createOutcomes, type OutcomeOptions } from './outcome.ts'

const TIME_LIMIT_MS = 300_000
const MAX_ATTEMPTS = 3
/** After the last `handle()`, before anybody is told that an act is not understood: more handlers may be about to come. */
const SETTLED_MS = 5_000
const UNHANDLED_BATCH = 50
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
  /** What `nextWork` is asked for. */
  readonly query: () => { readonly act: string; readonly schema?: string } | { readonly topics: readonly string[] }
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
  /** Aborts what runs and waits for it at most `ms`; what does not end goes back to the inbox uncounted. */
  stop(ms: number): Promise<void>
}

export function createWorker(options: WorkerOptions): Worker {
  const { store, clock, timers, random, rates } = options
  const registrations = new Map<string, Registration>()
  const stopping = new AbortController()
  const running = new Map<Promise<void>, StoredMail>()
  /** Acts seen that need no answer. */
  const passedOver = new Set<string>()
  const write = createOutcomes({ ...options, isClosed: () => closed })
  let closed = false
  let handlersSettled = false
  let refusing = false
  /** Mail came, or a handler, since unknown acts were looked for. */
  let unsifted = true
  let cancelSettle: Cancel = () => {}
  let cancelDue: Cancel = () => {}

  function dispatch(): void {
    if (stopping.signal.aborted) return
    const from = options.accepted()
    for (const registration of registrations.values()) {
      while (registration.running < registration.concurrency) {
        const mail = next(registration.duty, from)
        if (!mail) break
        begin(registration, mail)
      }
    }
    if (handlersSettled && unsifted) void refuseUnknownActs()
    planDue()
  }

  function next({ query }: Duty, from: readonly string[] | undefined): StoredMail | undefined {
    const wanted = query()
    const { senders } = rates.spent()
    const notSchemas = 'act' in wanted && wanted.schema === undefined ? schemasOf(wanted.act) : []
    return store.nextWork({
      ...wanted,
      nowMs: clock.now(),
      ...(from ? { from } : {}),
      ...(senders.length > 0 ? { notFrom: senders } : {}),
      ...(notSchemas.length > 0 ? { notSchemas } : {}),
    })
  }

  function schemasOf(act: string): string[] {
    return [...registrations.values()].flatMap(({ duty }) => {
      const query = duty.query()
      return 'act' in query && query.act === act && query.schema !== undefined ? [query.schema] : []
    })
  }

  function planDue(): void {
    cancelDue()
    const due = store.nextDueMs()
    // What is due already waits for a free slot or an unknown sender; both wake us.
    const dueMs = due === undefined || due <= clock.now() ? Number.POSITIVE_INFINITY : due - clock.now()
    const wait = Math.min(dueMs, rates.spent().waitMs)
    if (wait < Number.POSITIVE_INFINITY) cancelDue = timers.after(Math.ceil(wait), dispatch, { background: true })
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
      if (ruled === 'later') return postpone(mail, 'the same is being worked on', REPEAT_WAIT_MS)
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
        if (!closed) store.endWork(mail.id, { state: 'set-aside', error: `${reason} (and nobody could be told)` })
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
    const fault = await options.fault(mail, loops)
    return fault === undefined ? undefined : { kind: 'rejected', reason: fault }
  }

  /** Ends when the handler does, its time is over, or we are closed; a handler that ignores its signal is left behind. */
  function run(attempt: Attempt, { timeoutMs }: Registration): Promise<Ending> {
    const controller = new AbortController()
    return new Promise(resolve => {
      const end = (ending: Ending) => {
        cancel()
        stopping.signal.removeEventListener('abort', onStop)
        resolve(ending)
      }
      const onStop = () => controller.abort(stopping.signal.reason)
      stopping.signal.addEventListener('abort', onStop)
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

  function postpone(mail: StoredMail, error: string, ms: number): void {
    store.endWork(mail.id, { state: 'failed', error, dueMs: clock.now() + ms, attempts: mail.attempts - 1 })
  }

  async function refuseUnknownActs(): Promise<void> {
    if (refusing || closed) return
    refusing = true
    unsifted = false
    try {
      await refuseEach()
    } catch (error) {
      unsifted = true
      if (!isPassing(error)) throw error
      // The next message, or the next start, tries again.
    } finally {
      refusing = false
    }
  }

  async function refuseEach(): Promise<void> {
    const contacts = options.contacts()
    const known = [...registrations.values()].map(({ duty }) => duty.query())
    const acts = known.flatMap(query => ('act' in query && query.schema === undefined ? [query.act] : []))
    const names = known.flatMap(query =>
      'act' in query ? [query.schema ? `${query.act} ${query.schema}` : query.act] : [],
    )
    const isTyped = (mail: StoredMail) => mail.schema !== undefined && schemasOf(mail.act).includes(mail.schema)
    const typed = new Set<string>()
    let found: readonly StoredMail[]
    do {
      found = store.unhandled({ except: [...acts, ...passedOver, ...typed], from: contacts, limit: UNHANDLED_BATCH })
      for (const mail of found) {
        if (!wantsUnderstanding(mail.act)) {
          passedOver.add(mail.act)
          continue
        }
        if (isTyped(mail)) {
          // Its own handler is busy; what else is of this act is looked at next time.
          typed.add(mail.act)
          unsifted = true
          continue
        }
        const what = mail.schema === undefined ? mail.act : `${mail.act} ${mail.schema}`
        // Somebody may have taken it up, or read it, meanwhile.
        if (store.get(mail.id)?.state !== 'new') continue
        const reason = `no handler for ${what}; known here: ${names.join(', ')}`
        await write(mail, { kind: 'not-understood', reason })
        if (closed) return
      }
    } while (found.length === UNHANDLED_BATCH)
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
      cancelSettle = timers.after(
        SETTLED_MS,
        () => {
          handlersSettled = true
          unsifted = true
          dispatch()
        },
        { background: true },
      )
      queueMicrotask(dispatch)
    },
    wake() {
      unsifted = true
      dispatch()
    },
    async stop(ms) {
      cancelSettle()
      cancelDue()
      stopping.abort(new AgentClosedError())
      const patience = new AbortController()
      await Promise.race([Promise.allSettled(running.keys()), sleep(timers, ms, patience.signal)])
      patience.abort()
      closed = true
      for (const mail of running.values()) store.endWork(mail.id, interrupted(mail))
    },
  }
}
