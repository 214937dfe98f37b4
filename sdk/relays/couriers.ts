import { type Cancel, every } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { Host } from '../api.ts'
import type { Authenticate } from '../link/authenticator.ts'
import { type PublishOutcome, UNREACHED } from '../link/questions.ts'
import type { LaneOptions } from '../mail/lane.ts'
import type { MailStore, Outcome } from '../mail/store.ts'
import { type Courier, createCourier } from './courier.ts'

/** Foreign relays connected to at once; more wait for a slot. */
const MAX_BUSY = 8
/** A relay holds its slot for as long as it answers, at most so long in all. Silent or over time, it only keeps its connection. */
const QUICK_MS = 1_000
const TURN_MS = 5_000
/** Connections without a slot. One more, and the recipient that has most of them loses its oldest. */
const MAX_SLOW = 32
/** Recipients whose last turn is remembered, and relays that took something. */
const MAX_KNOWN = 1_000
/** An event that is not kept waits so long for a slot. */
const ERRAND_WAIT_MS = 8_000
/** Foreign relays are asked so often whether they still have what they acknowledged, as long as its recipient says nothing. */
const REVISIT_MS = 6 * 3_600_000
/** Under which name the store keeps when that was, among what is known of keys: no key is named so. */
const NOTE = 'revisited'
const FIRST_REST_MS = 5_000
const LONGEST_REST_MS = 15 * 60_000

/** Which recipients' mail was addressed to each relay. */
export type Addressed = ReadonlyMap<string, ReadonlySet<string>>

export interface CouriersOptions extends Host {
  readonly pubkey: string
  readonly store: MailStore
  readonly authenticate: Authenticate
  /** Relays that have a connection anyway; one may be added. */
  readonly own: readonly string[]
  /** Whether this address may be on this machine or in a private network. */
  allowsPrivate(url: string): boolean
  redate: LaneOptions['redate']
  onOutcome(outcome: Outcome): void
  onChange(): void
}

/**
 * Takes mail to relays that are not the agent's own: connected on demand, a few at a time, hung up when nothing is left. Slots are
 * shared out by recipient and age, and a silent relay loses its slot within a second, so that no list delays another recipient's mail.
 */
export interface Couriers {
  /** Something may wait for a foreign relay; for whom, as far as the caller knows. */
  kick(addressed?: Addressed): void
  /** Offers an event that is not kept to a foreign relay, connecting for it. Resolves, never rejects. */
  publish(url: string, event: NostrEvent, to: string): Promise<PublishOutcome>
  /** False: that relay was not reached, and is left alone for now. */
  mayDeliver(url: string): boolean
  /** Nothing more can go out now: what waits, waits for relays that did not answer. */
  readonly isFlushed: boolean
  close(): Promise<void>
}

interface Running {
  readonly courier: Courier
  /** The recipient whose share it takes. */
  readonly to: string
  progressMs: number
  /** Without a slot. */
  isSlow: boolean
  cancelTurn: Cancel
}

export function createCouriers(options: CouriersOptions): Couriers {
  const { store, timers, clock } = options
  const isOwn = (url: string) => options.own.includes(url)
  const running = new Map<string, Running>()
  /** Relays that took something. */
  const proven = new Set<string>()
  /** Relays that failed: how often, and not to be tried again yet. */
  const failures = new Map<string, number>()
  const resting = new Map<string, Cancel>()
  /** Relays to be asked. */
  const toAsk = new Set<string>()
  /** Recipients by relay; relays in the order in which they were first wanted. */
  const wanted = new Map<string, Set<string>>()
  /** Recipients that were given a slot, the latest last. */
  const served = new Set<string>()
  /** Waiting for a slot. */
  const errands = new Map<string, Set<(courier: Courier | undefined) => void>>()
  let filling = false
  let closed = false

  const waits = (url: string) => store.waiting(url, 0, 1).length > 0
  const all = () => [...running.values()]

  function want(url: string, recipients: Iterable<string>): Set<string> {
    const known = wanted.get(url) ?? new Set<string>()
    wanted.set(url, known)
    for (const to of recipients) known.add(to)
    return known
  }

  function fill(): void {
    if (closed || filling) return
    filling = true
    try {
      for (const { courier } of all()) courier.kick()
      while (busy() < MAX_BUSY || all().some(isSpare)) {
        const next = choose()
        if (next === undefined) break
        if (busy() >= MAX_BUSY) all().find(isSpare)?.courier.end(false)
        start(next.url, next.to)
      }
    } finally {
      filling = false
    }
  }

  const busy = () => all().filter(({ isSlow }) => !isSlow).length
  const isSpare = ({ courier, isSlow }: Running) => !isSlow && courier.isIdle

  /** The relay that is tried next: one that took something before, or at least has not failed, for the recipient with fewest connections and the longest wait for one. */
  function choose(): { readonly url: string; readonly to: string } | undefined {
    const shares = new Map<string, number>()
    for (const { to } of running.values()) shares.set(to, (shares.get(to) ?? 0) + 1)
    const candidates = [...store.waitingRelays(), ...toAsk, ...errands.keys()].filter(isFree)
    for (const url of candidates) if (!wanted.has(url)) want(url, [store.waiting(url, 0, 1)[0]?.to ?? ''])
    const ages = new Map([...wanted.keys()].map((url, age) => [url, age]))
    const turns = new Map([...served].map((to, turn) => [to, turn]))
    let best: { readonly url: string; readonly to: string; readonly rank: readonly number[] } | undefined
    for (const url of candidates) {
      for (const to of wanted.get(url) ?? []) {
        const trust = failures.has(url) ? 2 : proven.has(url) ? 0 : 1
        const rank = [trust, shares.get(to) ?? 0, turns.get(to) ?? -1, ages.get(url) ?? 0]
        if (best === undefined || isBefore(rank, best.rank)) best = { url, to, rank }
      }
    }
    return best
  }

  const isFree = (url: string) => !isOwn(url) && !running.has(url) && !resting.has(url)

  /** A relay that went back, and that nothing else leads to, would keep what it lost to itself. */
  function revisit(): void {
    const now = clock.now()
    const age = now - (store.relayNote(NOTE)?.askedMs ?? 0)
    if (age >= 0 && age < REVISIT_MS) return
    const foreign = store.unheard().filter(url => !isOwn(url))
    if (foreign.length === 0) return
    store.keepRelayNote(NOTE, { text: '', askedMs: now })
    for (const url of foreign) toAsk.add(url)
    fill()
  }

  function rest(url: string): void {
    const count = (failures.get(url) ?? 0) + 1
    failures.set(url, count)
    proven.delete(url)
    const ms = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(count - 1, 10))
    const wake = () => {
      resting.delete(url)
      if (!waits(url)) wanted.delete(url)
      fill()
    }
    resting.set(url, timers.after(ms, wake, { background: true }))
  }

  function start(url: string, to: string): void {
    const startedMs = clock.monotonic()
    const courier = createCourier({
      ...options,
      url,
      allowPrivate: options.allowsPrivate(url),
      onOutcome(outcome) {
        failures.delete(url)
        if (proven.size < MAX_KNOWN) proven.add(url)
        options.onOutcome(outcome)
      },
      onProgress() {
        one.progressMs = clock.monotonic()
        // An idle connection makes room for others.
        if (courier.isIdle && !one.isSlow && choose() !== undefined) courier.end(false)
      },
      onAsked() {
        toAsk.delete(url)
        one.progressMs = clock.monotonic()
      },
      onEnd(failed) {
        one.cancelTurn()
        running.delete(url)
        toAsk.delete(url)
        if (!waits(url)) wanted.delete(url)
        if (failed && !closed) rest(url)
        options.onChange()
        fill()
      },
    })
    const one: Running = { courier, to, progressMs: startedMs, isSlow: false, cancelTurn: () => {} }
    running.set(url, one)
    served.delete(to)
    served.add(to)
    const [longestAgo] = served.size > MAX_KNOWN ? served : []
    if (longestAgo !== undefined) served.delete(longestAgo)
    watchTurn(one, startedMs)
    for (const run of errands.get(url) ?? []) run(courier)
  }

  /** Takes the slot of a relay that is silent, or at work for long. */
  function watchTurn(one: Running, startedMs: number): void {
    one.cancelTurn = timers.after(
      QUICK_MS,
      () => {
        const now = clock.monotonic()
        const isQuick = one.courier.isIdle || now - one.progressMs < QUICK_MS
        if (one.courier.isIdle || (isQuick && now - startedMs < TURN_MS)) return watchTurn(one, startedMs)
        one.isSlow = true
        giveUpOne()
        fill()
      },
      { background: true },
    )
  }

  function giveUpOne(): void {
    const slow = all().filter(({ isSlow }) => isSlow)
    if (slow.length <= MAX_SLOW) return
    const of = (recipient: string) => slow.filter(({ to }) => to === recipient).length
    const most = Math.max(...slow.map(({ to }) => of(to)))
    slow.find(({ to }) => of(to) === most)?.courier.end(true)
  }

  /** The courier to that relay, once there is a slot for it. */
  function reach(url: string, to: string): Promise<Courier | undefined> {
    const there = running.get(url)
    if (there) return Promise.resolve(there.courier)
    if (closed || resting.has(url)) return Promise.resolve(undefined)
    return new Promise(resolve => {
      const waiting = errands.get(url) ?? new Set()
      errands.set(url, waiting)
      const end = (courier: Courier | undefined) => {
        cancel()
        waiting.delete(end)
        if (waiting.size === 0) errands.delete(url)
        resolve(courier)
      }
      const cancel = timers.after(ERRAND_WAIT_MS, () => end(undefined))
      waiting.add(end)
      want(url, [to])
      fill()
    })
  }

  fill()
  revisit()
  const cancelRevisits = every(timers, REVISIT_MS, revisit)
  return {
    kick(addressed) {
      for (const [url, recipients] of addressed ?? []) if (!isOwn(url)) want(url, recipients)
      fill()
    },
    publish: async (url, event, to) => (await reach(url, to))?.publish(event) ?? UNREACHED,
    mayDeliver: url => !resting.has(url),
    get isFlushed() {
      return store.waitingRelays().every(url => isOwn(url) || resting.has(url))
    },
    async close() {
      closed = true
      cancelRevisits()
      for (const cancel of resting.values()) cancel()
      resting.clear()
      for (const waiting of [...errands.values()]) for (const end of [...waiting]) end(undefined)
      for (const { cancelTurn } of all()) cancelTurn()
      await Promise.all(all().map(({ courier }) => courier.close()))
    },
  }
}

function isBefore(rank: readonly number[], other: readonly number[]): boolean {
  const at = rank.findIndex((value, index) => value !== other[index])
  return at >= 0 && (rank[at] ?? 0) < (other[at] ?? 0)
}
