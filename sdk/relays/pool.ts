import type { EventTemplate, NostrEvent } from '../../protocol/event.ts'
import { MESSAGE } from '../../protocol/kinds.ts'
import type { Contact, DiscoveryStatus, Host, RelayStatus } from '../api.ts'
import type { Authenticate } from '../link/authenticator.ts'
import { createLines, type Lines } from '../link/lines.ts'
import type { PublishOutcome } from '../link/questions.ts'
import { loadSeldom } from '../load-seldom.ts'
import type { LaneOptions } from '../mail/lane.ts'
import { createOutbox } from '../mail/outbox.ts'
import { createRoute, type Route } from '../mail/route.ts'
import type { Sealer } from '../mail/seal.ts'
import type { MailBatch, MailStore, Outcome, OutgoingMail } from '../mail/store.ts'
import type { MailRoute } from '../mail/types.ts'
import { allowsPrivate } from './addresses.ts'
import type { Announcer } from './announcer.ts'
import { createDirectory } from './directory.ts'
import type { Discovery } from './discovery.ts'
import { lazyCouriers } from './lazy-couriers.ts'
import { lazyRepairer } from './lazy-repairer.ts'
import { LIST_KINDS, namedTo } from './lists.ts'
import type { Recovery } from './recovery.ts'
import type { Visit, Visits } from './visits.ts'
import { allOf } from './whereabouts.ts'

/** Lists taken from one answer: two are asked for. */
const MAX_ANSWERS = 20

export interface PoolOptions extends Host {
  /** The agent's own relays, normalised, at least one. */
  readonly relays: readonly string[]
  readonly pubkey: string
  readonly store: MailStore
  readonly sealer: Sealer
  readonly authenticate: Authenticate
  sign(template: EventTemplate): NostrEvent | Promise<NostrEvent>
  /** Where others are looked for besides; see {@link OpenAgentOptions}. */
  readonly discovery?: readonly string[] | undefined
  /** Publish which relays this agent reads. */
  readonly announce: boolean
  /** Strangers' relay lists may name this machine and private networks. Default: if all own relays are there. */
  readonly allowPrivate?: boolean | undefined
  /** Where a key was said to read, unchecked. */
  hints(pubkey: string): readonly string[]
  /** The profiles of this machine, with their relays. */
  local?: (() => readonly Contact[]) | undefined
  /** Records a batch in one transaction and says how many messages were new: each once, whichever relay had it first. */
  take(batch: MailBatch): number
  onSettled(outcomes: readonly Outcome[]): void
  onChange(): void
}

/**
 * All relays of one agent: a route to each of its own, under one store. What one relay withholds another brings; a message is
 * known by its id only once it was verified, so that a damaged copy from one never hides the genuine one from another.
 */
export interface Pool {
  /** One per relay of the agent, in its order. */
  readonly routes: readonly Route[]
  /** Theirs, for what is no mail. */
  readonly lines: Lines
  statuses(): readonly RelayStatus[]
  /** Undefined: there are none. */
  discovery(): readonly DiscoveryStatus[] | undefined
  /** Looks where only lists and cards are looked for. */
  discover: (() => Promise<Discovery>) | undefined
  /** Some relay still gives what was missed. */
  readonly isCatchingUp: boolean
  /** Something was queued; `mail` if it is known what. */
  kick(mail?: OutgoingMail): void
  /** What relays had refused waits for them again. */
  retry(mail: OutgoingMail): void
  /** A message by its id, from whichever relay of the agent has it; verified. Undefined if none that can be reached does. */
  find(id: string): Promise<NostrEvent | undefined>
  /** One relay's status, with what is known beside its own connection. */
  statusOf(route: Route): RelayStatus
  /** False: that relay was not reached, and is left alone for now. */
  mayDeliver(url: string): boolean
  /** Why this relay was given mail for that key. */
  routeOver(to: string, url: string): MailRoute
  /** Somebody said, unchecked, that a key reads there. */
  hint(pubkey: string, urls: readonly string[]): void
  /** No relay is known where this key reads. */
  isUnknown(pubkey: string): boolean
  /** The agent's relays that this key has to know to answer; unless `always`, none if it reads at one of them. */
  answerAt(pubkey: string, always: boolean): readonly string[]
  /** More may be known of where a key reads. */
  reconsider(pubkey: string): void
  /** Fetches what was dropped of strangers who are accepted by now. */
  recover(): void
  /** That is still under way. */
  readonly isRecovering: boolean
  /** What came damaged is being compared for the first time. */
  readonly isRepairing: boolean
  /** Also brings what is published to a topic and below it, from every relay of the agent. */
  follow(topic: string, replay: boolean): void
  /**
   * Offers an event that is not kept to the relays of its recipient, each once; their answers are added to `told`. Resolves once one
   * has accepted it, or all have answered. Never rejects; waits while those relays are unknown.
   */
  publish(event: NostrEvent, to: string, told: Told[]): Promise<void>
  /** Reads where a key publishes. Rejects where what does so cannot be fetched. */
  visit(pubkey: string): Promise<Visit>
  /** One more relay of the agent's own, as if it had always been one. Nothing happens if it is. */
  add(url: string): void
  /** Nothing more can go out now: what waited was taken, or its relays are not there. */
  readonly isFlushed: boolean
  /** What is to be published first has at most `ms`. */
  close(ms: number): Promise<void>
}

/** What a relay said of an event that was offered to it. */
export type Told = PublishOutcome & { readonly relay: string }

export function createPool(options: PoolOptions): Pool {
  const { store, clock, timers, pubkey } = options
  /** Grows, and is read by all below whenever they need it. */
  const relays = [...options.relays]
  const topics = new Map<string, boolean>()
  const allowPrivate = allowsPrivate(options.allowPrivate, relays)
  /** Waiting for a relay that can be asked. */
  let waiting: (() => void)[] = []
  let closed = false

  const local = (key: string) => options.local?.().find(each => each.pubkey === key)?.relays ?? []
  /** What this disk says may be dialled wherever it is; what others say, within limits. */
  const allowsPrivateAt = (url: string) =>
    allowPrivate || (options.local?.().some(each => each.relays?.includes(url)) ?? false)

  const mayDeliver = (url: string): boolean =>
    routes.find(route => route.url === url)?.mayDeliver ?? couriers.mayDeliver(url)
  const directory = createDirectory({
    store,
    clock,
    relays,
    allowPrivate,
    hints: options.hints,
    local,
    ask,
    isReachable: mayDeliver,
    onMoved: (recipient, to) => outbox.readdress(recipient, to),
  })
  const relaysOf = (recipient: string) =>
    recipient === pubkey ? { reads: relays, fallback: [] } : directory.relaysOf(recipient)
  const outbox = createOutbox({
    store,
    clock,
    timers,
    relaysOf,
    review(recipients) {
      for (const recipient of recipients)
        if (recipient !== pubkey) outbox.readdress(recipient, directory.known(recipient))
      return directory.review(recipients).then(options.onChange)
    },
    onAddressed(addressed) {
      for (const route of routes) if (addressed.has(route.url)) route.kick()
      couriers.kick(addressed)
    },
    onSettled: options.onSettled,
  })
  let redating: LaneOptions['redate'] | undefined
  const redate: LaneOptions['redate'] = async (mail, message) => {
    try {
      const { createRedate } = await loadSeldom()
      redating ??= createRedate(options)
      return await redating(mail, message)
    } catch {
      // A page that is offline.
      return 'wait'
    }
  }
  const routes = relays.map(openRoute)
  const lines = createLines(routes.map(({ line }) => line))
  const couriers = lazyCouriers({
    ...options,
    own: relays,
    allowsPrivate: allowsPrivateAt,
    redate,
    onOutcome: outbox.settle,
  })
  let visits: Visits | undefined
  let recovery: Recovery | undefined
  let loadingRecovery = false
  let announcer: Announcer | undefined
  let discovery: Discovery | undefined
  const discover =
    options.discovery &&
    (async () => {
      const { createDiscovery } = await loadSeldom()
      discovery ??= createDiscovery({
        ...options,
        own: relays,
        onFound(key, lists) {
          if (!closed) directory.found(key, lists)
        },
      })
      return discovery
    })
  const repairer = lazyRepairer({ ...options, routes })
  const statusOf = (route: Route): RelayStatus => ({
    ...route.status(),
    ...(repairer.isSuspect(route.url) ? { suspect: true } : {}),
  })
  outbox.start()
  if (store.judged('accepted').length > 0) recover()

  function openRoute(url: string): Route {
    return createRoute({
      ...options,
      url,
      redate,
      onOutcome: outbox.settle,
      onChange,
      onSuspect: damaged => repairer.suspect(damaged),
    })
  }

  function onChange(): void {
    if (closed) return
    if (waiting.length > 0 && routes.some(route => route.isOpen)) {
      const woken = waiting
      waiting = []
      for (const wake of woken) wake()
    }
    recovery?.look()
    if (options.announce) announce()
    options.onChange()
  }

  async function announcing(): Promise<Announcer> {
    const { createAnnouncer } = await loadSeldom()
    announcer ??= createAnnouncer({ ...options, routes, discover })
    return announcer
  }

  function announce(): void {
    if (announcer) announcer.look()
    else if (routes.some(({ isOpen }) => isOpen))
      // Where it cannot be fetched now, the next change tries again.
      announcing().then(
        made => made.look(),
        () => {},
      )
  }

  /** Where it cannot be fetched now, the next start tries again. */
  function recover(): void {
    if (recovery) return recovery.accepted()
    loadingRecovery = true
    loadSeldom()
      .then(({ createRecovery }) => {
        recovery ??= createRecovery({ ...options, routes, onDone: options.onChange })
        if (closed) recovery.close()
        else recovery.look()
      })
      .catch(() => {})
      .finally(() => {
        loadingRecovery = false
        // Who waits until nothing is being fetched looks again.
        options.onChange()
      })
  }

  async function ask(author: string): Promise<{ events: readonly NostrEvent[]; complete: boolean }> {
    if (!routes.some(route => route.isOpen)) await new Promise<void>(resolve => waiting.push(resolve))
    const open = routes.filter(route => route.isOpen)
    const filter = { kinds: [...LIST_KINDS], authors: [author] }
    const elsewhere = discover?.().then(
      found => found.ask(author),
      () => ({ events: [], complete: false }),
    )
    const answers: { events: readonly NostrEvent[]; complete: boolean }[] = await Promise.all(
      open.map(route => route.ask(filter, MAX_ANSWERS)),
    )
    // Nothing that can go now waits for them: what they find later is used then.
    if (elsewhere && answers.every(({ events }) => events.length === 0)) answers.push(await elsewhere)
    // The store is closed with the agent: an answer that comes after it, or a last one without events, has nowhere to go.
    if (closed) return new Promise(() => {})
    return { events: answers.flatMap(({ events }) => events), complete: answers.every(({ complete }) => complete) }
  }

  return {
    routes,
    lines,
    statuses: () => routes.map(statusOf),
    statusOf,
    discover,
    discovery: () => discovery?.statuses() ?? options.discovery?.map(url => ({ url })),
    get isCatchingUp() {
      return routes.some(route => route.isCatchingUp)
    },
    kick: outbox.kick,
    retry: outbox.retry,
    recover,
    get isRepairing() {
      return repairer.isPending
    },
    get isRecovering() {
      return recovery?.isBusy ?? loadingRecovery
    },
    mayDeliver,
    routeOver: (to, url) => (to === pubkey ? 'inbox-relays' : directory.routeOver(to, url)),
    hint: directory.hint,
    isUnknown: key => directory.known(key).reads.length === 0,
    answerAt(key, always) {
      const { reads } = directory.known(key)
      const isShared = key === pubkey || reads.some(url => relays.includes(url))
      return isShared && !always ? [] : namedTo(reads, relays)
    },
    reconsider: directory.reconsider,
    async find(id) {
      const open = routes.filter(route => route.isOpen)
      const answers = await Promise.all(open.map(route => route.ask({ ids: [id], kinds: [MESSAGE] }, 1)))
      return answers.flatMap(({ events }) => events)[0]
    },
    follow(topic, replay) {
      topics.set(topic, replay)
      for (const route of routes) route.follow(topic, replay)
    },
    async publish(event, to, told) {
      const urls = allOf(await relaysOf(to))
      const offers = urls.map(async relay => {
        const route = routes.find(({ url }) => url === relay)
        const outcome = await (route ? route.publishSoon(event) : couriers.publish(relay, event, to))
        told.push({ ...outcome, relay })
        return outcome.accepted === true || Promise.reject()
      })
      // One is enough: the others may never answer.
      await Promise.any(offers).catch(() => {})
    },
    async visit(key) {
      const { createVisits } = await loadSeldom()
      visits ??= createVisits({ ...options, own: lines, allowsPrivate: allowsPrivateAt, writesOf: directory.writesOf })
      if (closed) await visits.close()
      return visits.to(key)
    },
    add(url) {
      if (closed || relays.includes(url)) return
      const route = openRoute(url)
      for (const [topic, replay] of topics) route.follow(topic, replay)
      relays.push(url)
      routes.push(route)
      lines.join(route.line)
      options.onChange()
    },
    get isFlushed() {
      if (!couriers.isFlushed) return false
      const mayDeliver = routes.some(route => route.mayDeliver)
      const isKnown = !directory.isReviewing && store.unaddressed(0, 1).length === 0
      return !mayDeliver || (isKnown && routes.every(route => route.isFlushed))
    },
    async close(ms) {
      if (options.announce && routes.some(({ isOpen }) => isOpen))
        await announcing().then(
          made => made.finish(ms),
          () => {},
        )
      closed = true
      outbox.close()
      announcer?.close()
      recovery?.close()
      repairer.close()
      await Promise.all([...routes.map(route => route.close()), couriers.close(), visits?.close(), discovery?.close()])
    },
  }
}
