import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { type Cancel, sleep, type Timers } from '../platform/timers.ts'
import { mayReply, wantsUnderstanding } from './acts.ts'
import type { HandleOptions, Handler } from './api.ts'
import { AgentClosedError, SignerError } from './errors.ts'
import type { MaybePromise } from './identity/signer.ts'
import { backoffMs } from './link/backoff.ts'
import type { MailStore, OutgoingMail, StoredMail, WorkResult } from './mail/store.ts'
import type { IncomingMessage } from './mail/types.ts'

const TIME_LIMIT_MS = 300_000
const MAX_ATTEMPTS = 3
/** After the last `handle()`, before anybody is told that an act is not understood: more handlers may be about to come. */
const SETTLED_MS = 5_000
const MAX_REASON_CHARS = 500
const UNHANDLED_BATCH = 50

export interface WorkerOptions {
  readonly store: MailStore
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Public keys that handlers run for; undefined means anyone. */
  accepted(): readonly string[] | undefined
  /** Public keys that may be told `not-understood`. */
  contacts(): readonly string[]
  view(mail: StoredMail): IncomingMessage
  /** Signs a reply. Throws or rejects if it cannot be sent. */
  reply(mail: StoredMail, act: string, text: string, contentType?: string): MaybePromise<OutgoingMail>
  /** Replies were queued. */
  onQueued(): void
}

interface Registration {
  readonly act: string
  readonly handler: Handler
  readonly concurrency: number
  readonly timeoutMs: number
  readonly maxAttempts: number
  running: number
}

/** Works the inbox off: each message at least once, its outcome and reply in one transaction, a stuck one out of the others' way. */
export interface Worker {
  handle(act: string, handler: Handler, options?: HandleOptions): void
  /** New mail may be there. */
  wake(): void
  /** Aborts what runs and waits for it at most `ms`; what does not end goes back to the inbox uncounted. */
  stop(ms: number): Promise<void>
}

type Attempt =
  | { readonly end: 'value'; readonly value: unknown }
  | { readonly end: 'error'; readonly error: string }
  | { readonly end: 'stopped' }

export function createWorker(options: WorkerOptions): Worker {
  const { store, clock, timers, random } = options
  const registrations = new Map<string, Registration>()
  const stopping = new AbortController()
  const running = new Map<Promise<void>, StoredMail>()
  /** Acts seen that need no answer. */
  const passedOver = new Set<string>()
  let closed = false
  let handlersSettled = false
  let refusing = false
  let cancelSettle: Cancel = () => {}
  let cancelDue: Cancel = () => {}

  function dispatch(): void {
    if (stopping.signal.aborted) return
    const from = options.accepted()
    for (const registration of registrations.values()) {
      while (registration.running < registration.concurrency) {
        const mail = store.nextWork({ act: registration.act, nowMs: clock.now(), ...(from ? { from } : {}) })
        if (!mail) break
        start(registration, mail)
      }
    }
    if (handlersSettled) void refuseUnknownActs()
    planDue()
  }

  function planDue(): void {
    cancelDue()
    const due = store.nextDueMs()
    const wait = due === undefined ? 0 : due - clock.now()
    // What is due already waits for a free slot or an unknown sender; both wake us.
    if (wait > 0) cancelDue = timers.after(wait, dispatch, { background: true })
  }

  function start(registration: Registration, mail: StoredMail): void {
    if (mail.attempts >= registration.maxAttempts) {
      store.beginWork(mail.id)
      track(registration, mail, giveUp(mail, mail.error ?? 'it was interrupted each time'))
      return
    }
    if (mail.deadline !== undefined && mail.deadline * 1000 <= clock.now()) {
      store.endWork(mail.id, { state: 'set-aside', error: 'its deadline had passed' })
      return
    }
    const begun = { ...mail, attempts: store.beginWork(mail.id) }
    track(
      registration,
      begun,
      run(registration, mail).then(outcome => conclude(registration, begun, outcome)),
    )
  }

  function track(registration: Registration, mail: StoredMail, task: Promise<void>): void {
    registration.running += 1
    const work = task.then(() => {
      registration.running -= 1
      running.delete(work)
      dispatch()
    })
    running.set(work, mail)
  }

  /** Ends when the handler does, its time is over, or we are closed; a handler that ignores its signal is left behind. */
  function run({ handler, timeoutMs }: Registration, mail: StoredMail): Promise<Attempt> {
    const controller = new AbortController()
    return new Promise(resolve => {
      const end = (attempt: Attempt) => {
        cancel()
        stopping.signal.removeEventListener('abort', onStop)
        resolve(attempt)
      }
      const onStop = () => controller.abort(stopping.signal.reason)
      stopping.signal.addEventListener('abort', onStop)
      const cancel = timers.after(timeoutMs, () => {
        end({ end: 'error', error: `no result within ${timeoutMs} ms` })
        controller.abort(new Error(`no result within ${timeoutMs} ms`))
      })
      Promise.resolve()
        .then(() => handler(Object.freeze({ ...options.view(mail), signal: controller.signal })))
        .then(
          value => end({ end: 'value', value }),
          error => end(stopping.signal.aborted ? { end: 'stopped' } : { end: 'error', error: reasonOf(error) }),
        )
    })
  }

  async function conclude({ maxAttempts }: Registration, mail: StoredMail, attempt: Attempt): Promise<void> {
    if (closed) return
    if (attempt.end === 'value') await succeed(mail, attempt.value)
    else if (attempt.end === 'stopped') store.endWork(mail.id, interrupted(mail))
    else if (mail.attempts >= maxAttempts) await giveUp(mail, attempt.error)
    else {
      const dueMs = clock.now() + backoffMs(mail.attempts, random)
      store.endWork(mail.id, { state: 'failed', error: attempt.error, dueMs })
    }
  }

  async function succeed(mail: StoredMail, value: unknown): Promise<void> {
    if (value === undefined || value === null || !mayReply(mail.act)) {
      store.endWork(mail.id, { state: 'done' })
      return
    }
    try {
      const isText = typeof value === 'string'
      const text = isText ? value : JSON.stringify(value)
      const reply = await options.reply(mail, 'answer', text, isText ? undefined : 'application/json')
      if (closed) return
      store.endWork(mail.id, { state: 'done' }, [reply])
      options.onQueued()
    } catch (error) {
      if (isPassing(error)) postpone(mail, error)
      // The work was done; only its answer cannot travel. Doing it again would not help.
      else await giveUp(mail, `the answer cannot be sent: ${reasonOf(error)}`)
    }
  }

  async function giveUp(mail: StoredMail, error: string): Promise<void> {
    try {
      const replies = mayReply(mail.act) ? [await options.reply(mail, 'failure', error)] : []
      if (closed) return
      store.endWork(mail.id, { state: 'set-aside', error, attempts: mail.attempts }, replies)
      options.onQueued()
    } catch (failure) {
      if (isPassing(failure)) postpone(mail, failure)
      else if (!closed) store.endWork(mail.id, { state: 'set-aside', error: `${error} (and nobody could be told)` })
    }
  }

  /** The key is elsewhere and gives no answer: the work is due again, uncounted, so that its outcome is not lost. */
  function postpone(mail: StoredMail, error: unknown): void {
    if (closed) return
    const dueMs = clock.now() + backoffMs(mail.attempts, random)
    store.endWork(mail.id, { state: 'failed', error: reasonOf(error), dueMs, attempts: mail.attempts - 1 })
  }

  async function refuseUnknownActs(): Promise<void> {
    if (refusing || closed) return
    refusing = true
    try {
      await refuseEach()
    } catch (error) {
      if (!isPassing(error)) throw error
      // The next message, or the next start, tries again.
    } finally {
      refusing = false
    }
  }

  async function refuseEach(): Promise<void> {
    const contacts = options.contacts()
    const known = [...registrations.keys()]
    let found: readonly StoredMail[]
    do {
      found = store.unhandled({ except: [...known, ...passedOver], from: contacts, limit: UNHANDLED_BATCH })
      for (const mail of found) {
        if (!wantsUnderstanding(mail.act)) {
          passedOver.add(mail.act)
          continue
        }
        const text = `no handler for ${mail.act}; known here: ${known.join(', ')}`
        const reply = await options.reply(mail, 'not-understood', text)
        if (closed) return
        // Somebody may have taken it up, or read it, meanwhile.
        if (store.get(mail.id)?.state !== 'new') continue
        store.endWork(mail.id, { state: 'set-aside', error: `no handler for ${mail.act}` }, [reply])
        options.onQueued()
      }
    } while (found.length === UNHANDLED_BATCH)
  }
  return {
    handle(act, handler, { concurrency = 1, timeoutMs = TIME_LIMIT_MS, maxAttempts = MAX_ATTEMPTS } = {}) {
      if (registrations.has(act)) throw new TypeError(`there is already a handler for ${JSON.stringify(act)}.`)
      for (const [name, value] of Object.entries({ concurrency, timeoutMs, maxAttempts }))
        if (!(Number.isSafeInteger(value) && value > 0)) throw new RangeError(`${name} must be a whole number above 0.`)
      registrations.set(act, { act, handler, concurrency, timeoutMs, maxAttempts, running: 0 })
      handlersSettled = false
      cancelSettle()
      cancelSettle = timers.after(
        SETTLED_MS,
        () => {
          handlersSettled = true
          dispatch()
        },
        { background: true },
      )
      queueMicrotask(dispatch)
    },
    wake: dispatch,
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

const interrupted = (mail: StoredMail): WorkResult => ({
  state: 'failed',
  error: 'interrupted',
  dueMs: 0,
  attempts: mail.attempts - 1,
})

/** About the signer, not about the message: another time it may work. */
const isPassing = (error: unknown): boolean => error instanceof SignerError && error.code === 'signer-unreachable'

/** What the other side, and the inbox, are told: the message alone, never a stack. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.toWellFormed().slice(0, MAX_REASON_CHARS) || 'no reason given'
}
