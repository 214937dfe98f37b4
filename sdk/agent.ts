import { sleep } from '../platform/timers.ts'
import type { Accept, Agent, AgentEvents, AgentStatus, Contact, Host, OpenAgentOptions, SendOptions } from './api.ts'
import { type Asks, createAsks } from './asks.ts'
import { AgentClosedError, ExpiredError, RefusedError, TimeoutError } from './errors.ts'
import { andThen, type Signer } from './identity/signer.ts'
import { type Compose, compositionOf, createCompose } from './mail/compose.ts'
import { createSealer } from './mail/seal.ts'
import type { MailStore, Outcome, OutgoingMail, StoredMail } from './mail/store.ts'
import { createView, findOne } from './mail/view.ts'
import { createNotices, createPulse } from './notices.ts'
import { npubOf, resolveRecipient } from './recipient.ts'
import { createPool } from './relays/pool.ts'
import { createSyncer } from './relays/sync.ts'
import { createWorker } from './worker.ts'

const ASK_TIMEOUT_MS = 30_000
const STORED_TIMEOUT_MS = 30_000
const SYNC_MS = 30_000
const CLOSE_MS = 5_000

export interface StartOptions extends Host, Pick<OpenAgentOptions, 'announce' | 'allowPrivate'> {
  readonly name: string
  readonly signer: Signer
  readonly store: MailStore
  /** At least one, normalised. */
  readonly relays: readonly string[]
  readonly accept: Accept
  readonly contacts: () => readonly Contact[]
  /** After everything else is closed. */
  onClosed?(): void
}

/** What runs when an agent runs. */
export interface RunningAgent extends Agent {
  /** Takes over an event that was signed elsewhere with this agent's key. False once it is closing. */
  adopt(mail: OutgoingMail): boolean
}

/** An agent on given surroundings; `openAgent` finds these on a machine. */
export function startAgent(options: StartOptions): RunningAgent {
  const { clock, timers, store, signer } = options
  const { pubkey } = signer
  const sealer = createSealer(signer)
  const composer = createCompose(options)
  const notices = createNotices<AgentEvents>()
  const news = createPulse()
  const asks: Asks = createAsks(timers)
  const view = createView(pubkey, options.contacts)
  let closing: Promise<{ readonly unsent: number }> | undefined
  let closed = false
  let lastStatus = ''
  let statusPlanned = false

  store.reopenWork()
  const worker = createWorker({
    ...options,
    accepted: () => (options.accept === 'anyone' ? undefined : view.knownKeys()),
    contacts: view.knownKeys,
    view: view.message,
    reply: (mail, act, text, contentType) =>
      andThen(
        compose(mail.from, text, { act, public: !mail.private, ...(contentType ? { contentType } : {}) }, mail),
        ([reply]) => reply,
      ),
    onQueued: () => kick(),
  })
  const pool = createPool({
    ...options,
    pubkey,
    sealer,
    authenticate: template => signer.sign(template),
    sign: template => signer.sign(template),
    announce: options.announce ?? true,
    onMail(mails) {
      for (const mail of mails) receive(mail)
      news.beat()
      worker.wake()
    },
    onSettled,
    onChange: planStatus,
  })
  const syncer = createSyncer({
    routes: pool.routes,
    monotonic: clock.monotonic,
    until,
    isEnding: () => closing !== undefined,
  })

  function receive(mail: StoredMail): void {
    const message = view.message(mail)
    if (asks.offer(message)) {
      store.endWork(mail.id, { state: 'done' })
    }
    notices.emit('message', message)
  }

  function onSettled(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      asks.settle(outcome)
      const delivery = store.delivery(outcome.id)
      if (delivery) notices.emit('delivery', { id: outcome.id, ...delivery })
    }
    planStatus()
  }

  /** At most one notice per turn, and only of a change. */
  function planStatus(): void {
    news.beat()
    if (statusPlanned || !notices.has('status')) return
    statusPlanned = true
    queueMicrotask(() => {
      statusPlanned = false
      if (closed) return
      const status = readStatus()
      const text = JSON.stringify(status)
      if (text === lastStatus) return
      lastStatus = text
      notices.emit('status', status)
    })
  }

  function readStatus(): AgentStatus {
    return Object.freeze({ relays: Object.freeze(pool.statuses()), ...view.counts(store) })
  }

  function compose(to: string, text: string, send: SendOptions, parent?: StoredMail): ReturnType<Compose> {
    const known = parent ?? (send.replyTo === undefined ? undefined : store.get(send.replyTo))
    return composer(compositionOf(to, text, send, known, clock))
  }

  async function post(to: string, text: string, send: SendOptions): Promise<OutgoingMail> {
    ensureOpen()
    const composed = compose(resolveRecipient(to, view.contacts()), text, send)
    // Two sends in one turn go out in that order: with the key at hand nothing is waited for.
    const [mail, ...copies] = composed instanceof Promise ? await composed : composed
    ensureOpen()
    for (const each of [mail, ...copies]) {
      store.enqueue(each)
      kick(each)
    }
    return mail
  }

  function kick(mail?: OutgoingMail): void {
    pool.kick(mail)
    planStatus()
  }

  function ensureOpen(): void {
    if (closing) throw new AgentClosedError()
  }

  /** Waits until `done` is true; false when `ms` ran out first. */
  async function until(done: () => boolean, ms: number): Promise<boolean> {
    const end = new AbortController()
    const timeout = sleep(timers, ms, end.signal).then(() => end.abort())
    while (!done() && !end.signal.aborted) await Promise.race([news.next(), timeout])
    end.abort()
    return done()
  }

  async function* repliesTo(id: string) {
    let after = 0
    while (!closed) {
      const recipient = store.recipient(id)
      for (const mail of store.repliesTo(id, after)) {
        after = mail.ordinal
        if (recipient !== undefined && mail.from !== recipient) continue
        store.markRead(mail.id)
        yield view.message(mail)
        if (closed) return
      }
      await news.next()
    }
  }

  async function shutDown(ms: number): Promise<{ readonly unsent: number }> {
    const start = clock.monotonic()
    asks.close()
    await worker.stop(ms)
    const left = ms - (clock.monotonic() - start)
    await until(() => pool.isFlushed, Math.max(0, left))
    const unsent = store.counts().queue
    await pool.close()
    try {
      await store.durable?.()
      await signer.close?.()
    } finally {
      closed = true
      news.beat()
      options.onClosed?.()
    }
    return { unsent }
  }

  return {
    name: options.name,
    pubkey,
    npub: npubOf(pubkey),
    handle(act, handler, handle) {
      ensureOpen()
      worker.handle(act, handler, handle)
    },
    async ask(to, text, { act = 'request', timeout = ASK_TIMEOUT_MS, signal, ...how } = {}) {
      signal?.throwIfAborted()
      const mail = await post(to, text, { act, ...how })
      signal?.throwIfAborted()
      return asks.wait(mail.id, mail.to, timeout, signal)
    },
    async send(to, text, send = {}) {
      const { id } = await post(to, text, send)
      await store.durable?.()
      return id
    },
    async stored(id, { timeout = STORED_TIMEOUT_MS } = {}) {
      await until(() => closed || store.delivery(id)?.state !== 'queued', timeout)
      if (closed) throw new AgentClosedError()
      const delivery = store.delivery(id)
      if (delivery?.state === 'refused') throw new RefusedError(id, 'relay', delivery.reason)
      if (delivery?.state === 'expired') throw new ExpiredError(id)
      if (delivery?.state === 'stored') return delivery
      throw new TimeoutError(id, 'OK of a relay', timeout)
    },
    delivery: id => store.delivery(id),
    copies: id => store.copies(id),
    replies: id => repliesTo(id),
    inbox: (query = {}) => view.inbox(store, query),
    read(id) {
      const mail = findOne(store, id)
      if (!mail) return undefined
      store.markRead(mail.id)
      planStatus()
      return view.entry({ ...mail, read: true })
    },
    async sync({ maxMs = SYNC_MS } = {}) {
      ensureOpen()
      return syncer.sync(maxMs)
    },
    status: readStatus,
    on: notices.on,
    close({ timeoutMs = CLOSE_MS } = {}) {
      closing ??= shutDown(timeoutMs)
      return closing
    },
    adopt(mail) {
      if (closing) return false
      store.enqueue(mail)
      kick(mail)
      return true
    },
  }
}
