import { seconds } from '../platform/clock.ts'
import { sleep } from '../platform/timers.ts'
import { isInitiating } from './acts.ts'
import type { AgentRules } from './agent-rules.ts'
import type { Accept, Agent, AgentEvents, AgentStatus, Contact, Host } from './api.ts'
import { createAsk, scatter } from './asking.ts'
import { type Asks, createAsks } from './asks.ts'
import { createBreaker } from './breaker.ts'
import { createCards } from './card/index.ts'
import { chainFault, MAX_HOPS } from './chain.ts'
import { createContactBook, mergeContacts } from './contacts/book.ts'
import { createContacts } from './contacts/index.ts'
import { createCounters, relayCounters } from './counters.ts'
import { createDeadLetters } from './dead-letters.ts'
import { createEar, WRAPS } from './ephemeral/ear.ts'
import { createExpress } from './ephemeral/express.ts'
import {
  AgentClosedError,
  ContactError,
  ExpiredError,
  InviteError,
  ProfileError,
  RefusedError,
  TimeoutError,
} from './errors.ts'
import { createHandlers } from './handlers.ts'
import type { MaybePromise, Signer } from './identity/signer.ts'
import { createIntake } from './intake.ts'
import { ACCEPT_INVITE, createInviteDesk } from './invites/desk.ts'
import { createInvites } from './invites/index.ts'
import { createInviteLedger } from './invites/ledger.ts'
import type { TakeUp } from './invites/take-up.ts'
import { createCompose, createComposeReceipt } from './mail/compose.ts'
import { createSealer } from './mail/seal.ts'
import type { MailStore, Outcome, OutgoingMail, StoredMail } from './mail/store.ts'
import type { Delivery, Receipt } from './mail/types.ts'
import { createView, findOne } from './mail/view.ts'
import { createMarking } from './marking.ts'
import type { HandleOptions, Handler, TypedHandler } from './messaging.ts'
import { createNotices, createPulse } from './notices.ts'
import type { Order } from './orders.ts'
import { createPresence } from './presence/index.ts'
import { createRates, EPHEMERAL_RATE, STRANGER_RATE } from './rate.ts'
import { createReceipting } from './receipting.ts'
import { createReceiptClerk } from './receipts.ts'
import { npubOf, resolveRecipient } from './recipient.ts'
import { createPool } from './relays/pool.ts'
import { createSyncer } from './relays/sync.ts'
import { createRequests } from './requests.ts'
import { createSender } from './sender.ts'
import type { Shelf } from './shelf.ts'
import { noTelemetry } from './telemetry.ts'
import { createTopics } from './topics.ts'
import { tracedAsk, tracedSender } from './tracing.ts'
import { isTypedAct } from './typed-act.ts'
import { createWorker } from './worker.ts'

const STORED_TIMEOUT_MS = 30_000
const SYNC_MS = 30_000
const CLOSE_MS = 5_000

export interface StartOptions extends Host, AgentRules {
  readonly name: string
  readonly signer: Signer
  readonly store: MailStore
  /** At least one, normalised. */
  readonly relays: readonly string[]
  readonly accept: Accept
  readonly shelf: Shelf
  /** Tell others that this agent is there: presence, and a card if it has none yet. */
  readonly present: boolean
  /** Names this run's presence among those of its key; the same at every start of one home. */
  readonly session: string
  readonly contacts: () => readonly Contact[]
  /** Relays that were added while it runs are to be there at the next start, too. */
  rememberRelays?(added: readonly string[]): MaybePromise<unknown>
  /** After everything else is closed. */
  onClosed?(): void
}

/** What runs when an agent runs. */
export interface RunningAgent extends Agent {
  /** Takes over an event that was signed elsewhere with this agent's key. False once it is closing. */
  adopt(mail: OutgoingMail): boolean
  /** Does what another program of the home asks for; what cannot be done any more is let go. False once it is closing. */
  obey(order: Order): boolean
}

/** An agent on given surroundings; `openAgent` finds these on a machine. */
export function startAgent(options: StartOptions): RunningAgent {
  const { clock, timers, store, signer, telemetry = noTelemetry } = options
  const { pubkey } = signer
  const sealer = createSealer(signer)
  const maxHops = options.maxHops ?? MAX_HOPS
  const breaker = createBreaker(clock)
  const notices = createNotices<AgentEvents>()
  const news = createPulse()
  const asks: Asks = createAsks(timers)
  const book = createContactBook(options.shelf, clock)
  const view = createView(
    pubkey,
    () => mergeContacts(book.list(), options.contacts()),
    () => store.judged('accepted'),
  )
  const invited = createInviteLedger(options.shelf)
  let closing: Promise<{ readonly unsent: number }> | undefined
  let closed = false
  let lastStatus = ''
  let statusPlanned = false

  store.reopenWork()
  const resolve = (to: string) => resolveRecipient(to, view.contacts())
  const counters = createCounters(clock)
  const express = createExpress({
    ...options,
    publish: (event, to) => pool.publish(event, to),
    onDelivery: tellDelivery,
  })
  const plainSender = createSender({
    store,
    clock,
    compose: createCompose(options),
    breaker,
    pubkey,
    maxHops,
    resolve,
    ensureOpen,
    onQueued(mail) {
      counters.sent()
      kick(mail)
    },
    express: express.send,
  })
  const sender = tracedSender(plainSender, telemetry)
  const ask = tracedAsk(createAsk(sender, asks), telemetry)
  const composeReceipt = createComposeReceipt(options)
  const receipting = createReceipting({ ...options, compose: composeReceipt, isAccepted, isContact })
  const mark = createMarking({ store, compose: composeReceipt, onQueued: () => kick() })
  const clerk = createReceiptClerk({ store, timers, sign: receipting.received, onQueued: () => kick() })
  const intake = createIntake({
    store,
    pubkey,
    knownKeys: view.knownKeys,
    mayReceipt: receipting.may,
    admit: mail => desk.admit(mail),
  })
  const worker = createWorker({
    ...options,
    rates: createRates(clock, from =>
      from === pubkey ? undefined : (options.rate ?? (isContact(from) ? undefined : STRANGER_RATE)),
    ),
    accepted: () => (options.accept === 'anyone' ? undefined : view.knownKeys()),
    contacts: view.knownKeys,
    fault: (mail, loops) => chainFault(mail, loops, { pubkey, store, maxHops, lookup: id => pool.find(id) }),
    reply: sender.reply,
    receipt: receipting.one,
    onQueued: () => kick(),
    onWorked(from) {
      if (options.accept === 'anyone' && !isContact(from)) announce(intake.refill(from))
    },
  })
  const handlers = createHandlers({
    sender,
    view: view.message,
    askUnder: under => tracedAsk(createAsk(sender, asks, under), telemetry, under),
    telemetry,
    counters,
    async working(mail, note) {
      const receipt = await receipting.one(mail, 'working', note)
      if (!receipt || closing) return
      store.acknowledge([mail.id], [receipt])
      kick()
    },
  })
  const topics = createTopics({ sender, follow: (topic, replay) => pool.follow(topic, replay), handlers, worker })
  const pool = createPool({
    ...options,
    pubkey,
    sealer,
    authenticate: template => signer.sign(template),
    sign: template => signer.sign(template),
    announce: options.announce ?? true,
    take(batch) {
      const { mail, receipts } = intake.take(batch)
      // An answer says more than the receipt that comes with it.
      announce(mail)
      for (const receipt of receipts) onReceipt(receipt)
      return mail.length
    },
    onSettled,
    onChange: planStatus,
  })
  const ear = createEar({
    ...options,
    pubkey,
    sealer,
    lines: pool.routes.map(({ line }) => line),
    rates: createRates(clock, from => (from === WRAPS || isContact(from) ? EPHEMERAL_RATE : STRANGER_RATE)),
    accepts: from => isAccepted(from) && !store.judged('denied').includes(from),
    onMessage: mail => notices.emit('ephemeral', view.message(mail)),
  })
  const listen = () => ear.listen(notices.has('ephemeral') && !closing, topics.prefixes())
  const beside = {
    ...options,
    lines: pool.routes.map(({ line }) => line),
    resolve: (who: string) => resolveRecipient(who, view.contacts()),
  }
  const presence = createPresence(beside)
  const card = createCards(beside)
  const requests = createRequests({ store, resolve, entry: view.entry, announce, wake: worker.wake })
  const desk = createInviteDesk({
    store,
    clock,
    timers,
    ledger: invited,
    book,
    self: { name: options.name, pubkey },
    contacts: view.contacts,
    onAccepted: requests.accept,
    receipt: receipting.answer,
    onQueued: () => kick(),
    isClosed: () => closed,
  })
  const invites = createInvites({
    ...options,
    ledger: invited,
    relays: () => pool.routes.map(({ url }) => url),
    contacts: view.contacts,
    ensureOpen,
    async enter(taken) {
      await meet(taken)
      const { mail } = await sender.post(taken.contact.pubkey, taken.body, { act: taken.act, idem: taken.idem })
      await store.durable?.()
      return mail.id
    },
  })
  const contacts = createContacts({ book, requests, around: options.contacts, resolve })
  const syncer = createSyncer({
    routes: pool.routes,
    monotonic: clock.monotonic,
    until,
    isEnding: () => closing !== undefined,
  })

  // What an earlier life received and did not tell.
  clerk.plan()
  void desk.work()

  /** Whoever invited us is known, and reached, from now on. */
  function meet({ contact, added }: Pick<TakeUp, 'contact' | 'added'>): MaybePromise<unknown> {
    contacts.add(contact.name, contact.pubkey)
    if (added.length === 0) return undefined
    for (const url of added) pool.add(url)
    return options.rememberRelays?.(added)
  }

  function adopt(mail: OutgoingMail): boolean {
    if (closing) return false
    store.enqueue(mail)
    kick(mail)
    return true
  }

  function carryOut(order: Order): void {
    if ('invite' in order) invited.add(order.invite, seconds(clock))
    else if ('revoke' in order) invited.revoke(order.revoke, seconds(clock))
    else if ('meet' in order) {
      meet({ contact: order.meet, added: order.added })
      adopt(order.mail)
    } else if (order.contact === 'add') contacts.add(order.name, order.pubkey)
    else contacts[order.contact](order.pubkey)
  }

  function isContact(key: string): boolean {
    return view.knownKeys().includes(key)
  }

  function isAccepted(key: string): boolean {
    return options.accept === 'anyone' || isContact(key)
  }

  function announce(mails: readonly StoredMail[]): void {
    if (mails.length === 0) return
    for (const mail of mails) receive(mail)
    news.beat()
    if (mails.some(({ act }) => act === ACCEPT_INVITE)) void desk.work()
    clerk.plan()
    worker.wake()
  }

  function receive(mail: StoredMail): void {
    const message = view.message(mail)
    const { replyTo, act, from, id, traceparent: parent } = mail
    telemetry.span({ name: 'receive', act, peer: from, id, parent }, () => {})
    if (replyTo !== undefined && store.recipient(replyTo) === mail.from) {
      if (mail.act === 'failure') breaker.failed(mail.from, replyTo)
      else if (!isInitiating(mail.act)) breaker.succeeded(mail.from)
    }
    if (asks.offer(message)) {
      store.endWork(mail.id, { state: 'done' })
    }
    notices.emit('message', message)
  }

  function onReceipt(receipt: Receipt): void {
    if (receipt.state === 'failed') breaker.failed(receipt.from, receipt.of)
    if (receipt.state === 'done') breaker.succeeded(receipt.from)
    counters.receipt()
    asks.receipt(receipt)
    tellDelivery(receipt.of)
    news.beat()
  }

  function tellDelivery(id: string): void {
    const delivery = notices.has('delivery') && deliveryOf(id)
    if (delivery) notices.emit('delivery', { id, ...delivery })
  }

  function deliveryOf(id: string): Delivery | undefined {
    return express.delivery(id) ?? view.delivery(store, id, clock.now())
  }

  function onSettled(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      counters.settled(outcome)
      asks.settle(outcome)
      tellDelivery(outcome.id)
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
    ear.close()
    await worker.stop(ms)
    await clerk.flush()
    clerk.close()
    desk.close()
    const left = ms - (clock.monotonic() - start)
    await until(() => pool.isFlushed, Math.max(0, left))
    const unsent = store.counts().queue
    card.close()
    await presence.close()
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
    presence,
    card,
    contacts,
    invites,
    pubkey,
    npub: npubOf(pubkey),
    handle(what: unknown, handler: unknown, handle?: HandleOptions) {
      ensureOpen()
      // The overloads of `Agent` keep what belongs together.
      worker.handle(
        isTypedAct(what)
          ? handlers.forTyped(what, handler as TypedHandler<unknown, unknown>)
          : handlers.forAct(String(what), handler as Handler),
        handle,
      )
    },
    ask,
    scatter: (to, body, scatterOptions = {}) => scatter(sender, asks, { to, body, options: scatterOptions }),
    async send(to, body, send = {}) {
      const { mail } = await sender.post(to, body, send)
      await store.durable?.()
      return mail.id
    },
    async sendAll(to, body, send = {}) {
      const mails = await sender.postAll(to, body, send)
      await store.durable?.()
      return mails.map(({ id }) => id)
    },
    topic: name => topics.topic(name),
    subscribe(topic, handler, how) {
      ensureOpen()
      topics.subscribe(topic, handler, how)
      listen()
    },
    async stored(id, { timeout = STORED_TIMEOUT_MS } = {}) {
      await until(() => closed || store.delivery(id)?.state !== 'queued', timeout)
      if (closed) throw new AgentClosedError()
      const delivery = store.delivery(id)
      if (delivery?.state === 'refused' || delivery?.state === 'undeliverable')
        throw new RefusedError(id, 'relay', delivery.reason)
      if (delivery?.state === 'expired') throw new ExpiredError(id)
      if (delivery && delivery.state !== 'queued') return deliveryOf(id) ?? delivery
      throw new TimeoutError(id, 'OK of a relay', timeout)
    },
    delivery: deliveryOf,
    sent: id => view.sent(store, id, clock.now()),
    receipts: id => store.receipts(id),
    async mark(id, state, reason) {
      ensureOpen()
      const receipt = await mark(id, state, reason)
      await store.durable?.()
      return receipt
    },
    requests,
    deadLetters: createDeadLetters({ store, entry: view.entry, wake: worker.wake, kick }),
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
    counters: () => Object.freeze({ ...relayCounters(pool.routes), ...counters.read() }),
    on(event, listener) {
      const stop = notices.on(event, listener)
      listen()
      return () => {
        stop()
        listen()
      }
    },
    close({ timeoutMs = CLOSE_MS } = {}) {
      closing ??= shutDown(timeoutMs)
      return closing
    },
    adopt,
    obey(order) {
      if (closing) return false
      try {
        carryOut(order)
      } catch (error) {
        // The list is full, say, or the name was given to somebody else meanwhile.
        if (!(error instanceof ContactError || error instanceof InviteError || error instanceof ProfileError))
          throw error
      }
      return true
    },
  }
}
