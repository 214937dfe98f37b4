import type { AgentRules } from './agent-rules.ts'
import type { Accept, Agent, AgentEvents, AgentStatus, Contact, Drained, DrainOptions, Host } from './api.ts'
import { createArrivals } from './arrivals.ts'
import { lazyCards } from './card/lazy-cards.ts'
import { createContactBook, mergeContacts } from './contacts/book.ts'
import { createContacts } from './contacts/index.ts'
import { createDeadLetters } from './delivery/dead-letters.ts'
import { createReceipting } from './delivery/receipting.ts'
import { createReceiptClerk } from './delivery/receipts.ts'
import { createTracking } from './delivery/tracking.ts'
import type { Express } from './ephemeral/express.ts'
import { lazyEar, WRAPS } from './ephemeral/lazy-ear.ts'
import type { StorageError } from './errors.ts'
import { endingSigner } from './identity/ending-signer.ts'
import { andThen, type MaybePromise, type Signer } from './identity/signer.ts'
import { createIntake } from './intake.ts'
import { ACCEPT_INVITE } from './invites/act.ts'
import { createInviteDesk } from './invites/desk.ts'
import { createInvites } from './invites/index.ts'
import { createInviteLedger } from './invites/ledger.ts'
import type { TakeUp } from './invites/take-up.ts'
import { createLife } from './life.ts'
import { loadSeldom } from './load-seldom.ts'
import { createCompose, createComposeReceipt } from './mail/compose.ts'
import { relaysNamed } from './mail/message.ts'
import { createSealer } from './mail/seal.ts'
import type { MailStore, OutgoingMail, StoredMail } from './mail/store.ts'
import { createView, findOne } from './mail/view.ts'
import type { HandleOptions, Handler, TypedHandler } from './messaging.ts'
import { findRecipient } from './names/find.ts'
import type { Found } from './names/internet-name.ts'
import { createNameBook } from './names/name-book.ts'
import { createNotices } from './notices.ts'
import type { createObeying, Obeying } from './obeying.ts'
import { createPresence } from './presence/index.ts'
import { createRates, EPHEMERAL_RATE, STRANGER_RATE } from './rate.ts'
import { allowsPrivate } from './relays/addresses.ts'
import { ownNprofile } from './relays/own-nprofile.ts'
import { createPool } from './relays/pool.ts'
import { createSyncer } from './relays/sync.ts'
import { createRequests } from './requests.ts'
import { createAsk } from './sending/asking.ts'
import { type Asks, createAsks } from './sending/asks.ts'
import { createBreaker } from './sending/breaker.ts'
import { npubOf, relaysIn, resolveRecipient } from './sending/recipient.ts'
import { createSender } from './sending/sender.ts'
import { createTopics } from './sending/topics.ts'
import type { Shelf } from './shelf.ts'
import { shutDown, type Unfinished } from './shutdown.ts'
import type { StateStore } from './state/store.ts'
import { createStates } from './states.ts'
import { createStatusTeller } from './status-teller.ts'
import { createCounters, relayCounters } from './telemetry/counters.ts'
import { noTelemetry } from './telemetry/telemetry.ts'
import { tracedAsk, tracedSender } from './telemetry/tracing.ts'
import { isTypedAct } from './typed-act.ts'
import { chainFault, MAX_HOPS } from './work/chain.ts'
import { createHandlers } from './work/handlers.ts'
import { createWorker } from './work/worker.ts'

const SYNC_MS = 30_000
const CLOSE_MS = 5_000
const DRAIN_MS = 60_000
/** What one sender says of its relays is taken over so often: each new address is given the mail that waits for it. */
const HEAR_EVERY_MS = 600_000
/** Senders of whom it is known when that was. */
const MAX_HEARD = 1_000

export interface StartOptions extends Host, AgentRules {
  readonly name: string
  readonly signer: Signer
  readonly store: MailStore
  /** At least one, normalised. */
  readonly relays: readonly string[]
  readonly accept: Accept
  readonly shelf: Shelf
  /** Called when state is first used, once. */
  openStateStore(): MaybePromise<StateStore>
  /** Tell others that this agent is there: presence, and a card if it has none yet. */
  readonly present: boolean
  /** Names this run's presence among those of its key; the same at every start of one home. */
  readonly session: string
  readonly contacts: () => readonly Contact[]
  /** The profiles of this machine, with the relays that they read. */
  readonly local?: () => readonly Contact[]
  /** Relays that were added while it runs are to be there at the next start, too. */
  rememberRelays?(added: readonly string[]): MaybePromise<unknown>
  /** Where other programs of the home have this agent do things. */
  readonly obeying?: typeof createObeying
  aboutDocument?(order: Readonly<Record<string, unknown>>): void
  /** Where what is kept can go away under a running agent; `watch` is called once, with what hears of a change. */
  readonly storage?: { fault(): StorageError | undefined; watch(onChange: () => void): void }
  /** After everything else is closed. */
  onClosed?(): void
}

/** What runs when an agent runs; with `obeying` where other programs of the home have it do things. */
export type RunningAgent = Agent & { readonly obeying?: Obeying | undefined }

/** An agent on given surroundings; `openAgent` finds these on a machine. */
export function startAgent(given: StartOptions): RunningAgent {
  const options = { ...given, signer: endingSigner(given.signer, loadSeldom) }
  const { clock, timers, store, signer, telemetry = noTelemetry } = options
  const { pubkey } = signer
  const life = createLife(timers)
  const sealer = createSealer(signer)
  const maxHops = options.maxHops ?? MAX_HOPS
  const breaker = createBreaker(clock)
  const notices = createNotices<AgentEvents>()
  const counters = createCounters(clock)
  const asks: Asks = createAsks(timers)
  const book = createContactBook(options.shelf, clock)
  const ledger = createInviteLedger(options.shelf)
  const view = createView(
    pubkey,
    () => mergeContacts(book.list(), options.contacts()),
    () => store.judged('accepted'),
    (to, url) => pool.routeOver(to, url),
  )
  const resolve = (to: string) => learn({ pubkey: resolveRecipient(to, view.contacts()), relays: relaysIn(to) })
  const allowPrivate = allowsPrivate(options.allowPrivate, options.relays)
  const names = createNameBook({ shelf: options.shelf, clock, get: options.get, allowPrivate })
  const find = (who: string) => findRecipient(who, view.contacts(), names)
  /** Relays named beside a key are where mail for it goes, until its lists are known. */
  function learn({ pubkey: key, relays }: Found): string {
    if (relays.length > 0) pool.hint(key, relays)
    else if (pool.isUnknown(key)) hear(store.list({ from: key, limit: 1 }))
    return key
  }
  const heard = new Map<string, number>()
  /** Where senders say that they read is where answers to them go, until their lists are known. */
  function hear(mails: readonly StoredMail[]): void {
    for (const mail of [...mails].reverse()) {
      const relays = relaysNamed(mail)
      const now = clock.monotonic()
      if (relays.length === 0 || now - (heard.get(mail.from) ?? -HEAR_EVERY_MS) < HEAR_EVERY_MS) continue
      if (heard.size >= MAX_HEARD) heard.clear()
      heard.set(mail.from, now)
      pool.hint(mail.from, relays)
    }
  }
  const isContact = (key: string) => view.knownKeys().includes(key)
  const isAccepted = (key: string) => options.accept === 'anyone' || isContact(key)
  const readStatus = (): AgentStatus => {
    const fault = options.storage?.fault()
    return Object.freeze({
      relays: Object.freeze(pool.statuses()),
      ...(options.discovery ? { discovery: pool.discovery() ?? [] } : {}),
      ...view.counts(store),
      state: states.unsent(),
      ...(fault ? { storage: fault.code } : {}),
    })
  }
  const planStatus = createStatusTeller(readStatus, notices, life)
  let closing: Promise<Unfinished> | undefined

  function kick(mail?: OutgoingMail): void {
    pool.kick(mail)
    planStatus()
  }
  const onQueued = () => kick()

  store.reopenWork()
  let loaded: Express | undefined
  const express: Express = {
    async send(mails) {
      const { createExpress } = await loadSeldom()
      loaded ??= createExpress({ ...options, publish: pool.publish, onDelivery: arrivals.delivery })
      return loaded.send(mails)
    },
    delivery: id => loaded?.delivery(id),
  }
  const tracking = createTracking({
    store,
    view,
    clock,
    life,
    mayDeliver: url => pool.mayDeliver(url),
    told: express.delivery,
  })
  const plainSender = createSender({
    store,
    clock,
    compose: createCompose({
      ...options,
      // A contact that accepts an invite reads at the inviter's relays from now on, which the inviter cannot know.
      answerAt: (to, act) => pool.answerAt(to, act === ACCEPT_INVITE),
    }),
    breaker,
    pubkey,
    maxHops,
    resolve: to => andThen(find(to), learn),
    ensureOpen: life.ensureOpen,
    onQueued(mail) {
      counters.sent()
      kick(mail)
    },
    express: express.send,
  })
  const sender = tracedSender(plainSender, telemetry)
  const composeReceipt = createComposeReceipt(options)
  const receipting = createReceipting({ ...options, compose: composeReceipt, isAccepted, isContact })
  const clerk = createReceiptClerk({
    store,
    timers,
    clock,
    isBusy: () => pool.isCatchingUp,
    sign: receipting.received,
    onQueued,
  })
  const intake = createIntake({
    store,
    pubkey,
    knownKeys: view.knownKeys,
    mayReceipt: receipting.may,
    admit: mail => desk.admit(mail),
  })
  const arrivals = createArrivals({
    store,
    view,
    asks,
    breaker,
    counters,
    notices,
    telemetry,
    delivery: tracking.delivery,
    beat: life.beat,
    onMail(mails) {
      if (mails.some(({ act }) => act === ACCEPT_INVITE)) void desk.work()
      clerk.plan()
      worker.wake()
    },
  })
  const rates = createRates(clock, from =>
    from === pubkey ? undefined : (options.rate ?? (isContact(from) ? undefined : STRANGER_RATE)),
  )
  const worker = createWorker({
    ...options,
    rates,
    accepted: () => (options.accept === 'anyone' ? undefined : view.knownKeys()),
    contacts: view.knownKeys,
    fault: (mail, loops) => chainFault(mail, loops, { pubkey, store, maxHops, lookup: id => pool.find(id) }),
    reply: sender.reply,
    receipt: receipting.one,
    onQueued,
    onIdle: life.beat,
    onWorked(from) {
      if (options.accept === 'anyone' && !isContact(from)) arrivals.mail(intake.refill(from))
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
      if (!receipt || life.isClosing) return
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
    hints: key => view.contacts().find(({ pubkey: known }) => known === key)?.relays ?? names.relaysOf(key),
    take(batch) {
      const { mail, receipts } = intake.take(batch)
      // A stranger's word is heard once it is accepted, or written to.
      hear(mail.filter(({ from, stranger }) => from !== pubkey && !stranger))
      // An answer says more than the receipt that comes with it.
      arrivals.mail(mail)
      arrivals.receipts(receipts)
      return mail.length
    },
    onSettled(outcomes) {
      arrivals.outcomes(outcomes)
      planStatus()
    },
    onChange: planStatus,
  })
  const ear = lazyEar({
    ...options,
    pubkey,
    sealer,
    lines: pool.lines,
    rates: createRates(clock, from => (from === WRAPS || isContact(from) ? EPHEMERAL_RATE : STRANGER_RATE)),
    accepts: from => isAccepted(from) && !store.judged('denied').includes(from),
    onMessage: mail => notices.emit('ephemeral', view.message(mail)),
  })
  const listen = () => ear.listen(notices.has('ephemeral') && !life.isClosing, topics.prefixes())
  const beside = { ...options, lines: pool.lines, resolve, discover: pool.discover }
  const presence = createPresence(beside)
  const states = createStates({
    ...options,
    lines: () => pool.lines.all,
    eachLine: pool.lines.each,
    visit: pool.visit,
    resolve,
    ensureOpen: life.ensureOpen,
  })
  const card = lazyCards(beside)
  const requests = createRequests({
    store,
    resolve,
    entry: view.entry,
    announce(mails) {
      hear(mails)
      arrivals.mail(mails)
    },
    recover: pool.recover,
    wake: worker.wake,
  })
  const contacts = createContacts({
    book,
    requests,
    around: options.contacts,
    resolve,
    find,
    onAdded: key => pool.reconsider(key),
  })
  /** Whoever invited us is known, and reached, from now on. */
  function meet({ contact, added }: Pick<TakeUp, 'contact' | 'added'>): MaybePromise<unknown> {
    contacts.add(contact.name, contact.pubkey, { relays: contact.relays })
    if (added.length === 0) return undefined
    for (const url of added) pool.add(url)
    return options.rememberRelays?.(added)
  }

  const obeying = options.obeying?.({
    ...options,
    meet,
    life,
    ledger,
    contacts,
    card,
    presence,
    state: states.api.state,
    hint: pool.hint,
    onQueued: kick,
    express: express.send,
    told: express.delivery,
  })
  const desk = createInviteDesk({
    store,
    clock,
    timers,
    ledger,
    book,
    self: { name: options.name, pubkey },
    contacts: view.contacts,
    onAccepted: requests.accept,
    receipt: receipting.answer,
    onQueued,
    isClosed: () => life.isClosed,
  })
  const deadLetters = createDeadLetters({
    store,
    entry: view.entry,
    wake: worker.wake,
    again(mail) {
      pool.retry(mail)
      planStatus()
    },
  })
  const invites = createInvites({
    ...options,
    again: deadLetters.retry,
    ledger,
    relays: () => pool.routes.map(({ url }) => url),
    contacts: view.contacts,
    ensureOpen: life.ensureOpen,
    async enter(taken) {
      await meet(taken)
      const { mail } = await sender.post(taken.contact.pubkey, taken.body, { act: taken.act, idem: taken.idem })
      await store.durable?.()
      return mail.id
    },
  })
  const syncer = createSyncer({
    routes: pool.routes,
    statusOf: pool.statusOf,
    isRecovering: () => pool.isRecovering,
    isRepairing: () => pool.isRepairing,
    monotonic: clock.monotonic,
    until: life.until,
    isEnding: () => life.isClosing,
  })

  const since = { conclusions: { ...worker.conclusions }, lost: 0 }
  async function drainFor(how: DrainOptions & { readonly timeoutMs: number }): Promise<Drained> {
    const start = clock.monotonic()
    const { drain } = await loadSeldom()
    return drain({ ...options, life, worker, rates, syncer, pool, clerk, counters, since }, { ...how, start })
  }

  // What an earlier life received and did not tell.
  clerk.plan()
  void desk.work()

  const agent: RunningAgent = {
    name: options.name,
    pubkey,
    npub: npubOf(pubkey),
    get nprofile() {
      return ownNprofile(
        pubkey,
        pool.routes.map(({ url }) => url),
      )
    },
    presence,
    card,
    contacts,
    invites,
    requests,
    deadLetters,
    ...tracking,
    ...states.api,
    obeying,
    handle(what: unknown, handler: unknown, handle?: HandleOptions) {
      life.ensureOpen()
      // The overloads of `Agent` keep what belongs together.
      worker.handle(
        isTypedAct(what)
          ? handlers.forTyped(what, handler as TypedHandler<unknown, unknown>)
          : handlers.forAct(String(what), handler as Handler),
        handle,
      )
    },
    ask: tracedAsk(createAsk(sender, asks), telemetry),
    async scatter(to, body, scatterOptions = {}) {
      const { scatter } = await loadSeldom()
      return scatter(sender, asks, { to, body, options: scatterOptions })
    },
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
      life.ensureOpen()
      topics.subscribe(topic, handler, how)
      listen()
    },
    async mark(id, state, reason) {
      life.ensureOpen()
      const { createMarking } = await import('./seldom.ts')
      life.ensureOpen()
      const receipt = await createMarking({ store, compose: composeReceipt, onQueued })(id, state, reason)
      await store.durable?.()
      return receipt
    },
    inbox: (query = {}) => view.inbox(store, query),
    read(id) {
      const mail = findOne(store, id)
      if (!mail) return undefined
      store.markRead(mail.id)
      planStatus()
      return view.entry({ ...mail, read: true })
    },
    async drain(drained = {}) {
      life.ensureOpen()
      return drainFor({ timeoutMs: DRAIN_MS, ...drained })
    },
    async sync({ maxMs = SYNC_MS } = {}) {
      life.ensureOpen()
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
    close({ drain = false, timeoutMs = drain ? DRAIN_MS : CLOSE_MS } = {}) {
      const quiet = () => {
        asks.close()
        ear.close()
        desk.close()
        card.close()
      }
      const end = (ms: number) => {
        life.beginClosing()
        return shutDown({ ...options, life, pool, worker, clerk, presence, state: states, quiet }, ms)
      }
      if (!drain) life.beginClosing()
      closing ??= drain
        ? drainFor({ timeoutMs }).then(
            async drained => ({
              ...(await end(Math.min(CLOSE_MS, Math.max(0, timeoutMs - drained.ms)))),
              drained,
            }),
            // It could not even begin: a page may be offline.
            () => end(CLOSE_MS),
          )
        : end(timeoutMs)
      return closing
    },
  }
  options.storage?.watch(planStatus)
  states.surround(agent)
  return agent
}
