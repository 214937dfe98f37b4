import { type Cancel, every } from '../../platform/timers.ts'
import { encodeEvent, type NostrEvent } from '../../protocol/event.ts'
import { MESSAGE } from '../../protocol/kinds.ts'
import type { Host } from '../api.ts'
import type { Authenticate } from '../link/authenticator.ts'
import { createLink } from '../link/link.ts'
import type { PublishOutcome } from '../link/questions.ts'
import { askEpoch, createAcknowledged } from '../mail/acknowledged.ts'
import { createLane } from '../mail/lane.ts'
import type { MailStore, Outcome } from '../mail/store.ts'

/** Foreign relays connected to at once; more wait for their turn. */
const MAX_OPEN = 8
/** A connection with nothing to carry is kept so long, for an answer that may follow. */
const IDLE_MS = 20_000
/** A relay that neither answers nor takes anything gives up its place after so long. */
const PATIENCE_MS = 60_000
/** A relay that does not answer a question may still take mail. */
const EPOCH_WAIT_MS = 3_000
const OK_WAIT_MS = 5_000
/** Foreign relays are asked so often whether they still have what they acknowledged, as long as its recipient says nothing. */
const REVISIT_MS = 6 * 3_600_000
/** Under which name the store keeps when that was, among what is known of keys: no key is named so. */
const NOTE = 'revisited'
const UNREACHED: PublishOutcome = Object.freeze({ accepted: undefined, message: 'the relay was not reached' })
const FIRST_REST_MS = 5_000
const LONGEST_REST_MS = 15 * 60_000

export interface CouriersOptions extends Host {
  readonly pubkey: string
  readonly store: MailStore
  readonly authenticate: Authenticate
  /** Relays that have a connection anyway; one may be added. */
  readonly own: readonly string[]
  readonly allowPrivate: boolean
  onOutcome(outcome: Outcome): void
  onChange(): void
}

/** Takes mail to relays that are not the agent's own: connected on demand, a few at a time, hung up when nothing is left. */
export interface Couriers {
  /** Something may wait for a foreign relay. */
  kick(): void
  /** Offers an event that is not kept to a foreign relay, connecting for it. Resolves, never rejects. */
  publish(url: string, event: NostrEvent): Promise<PublishOutcome>
  /** False: that relay was not reached, and is left alone for now. */
  mayDeliver(url: string): boolean
  /** Nothing more can go out now: what waits, waits for relays that did not answer. */
  readonly isFlushed: boolean
  close(): Promise<void>
}

interface Courier {
  kick(): void
  publish(event: NostrEvent): Promise<PublishOutcome>
  close(): Promise<void>
}

export function createCouriers(options: CouriersOptions): Couriers {
  const { store, timers, random } = options
  const isOwn = (url: string) => options.own.includes(url)
  const running = new Map<string, Courier>()
  /** Relays that failed: how often, and not to be tried again yet. */
  const failures = new Map<string, number>()
  const resting = new Map<string, Cancel>()
  /** Relays to be asked. */
  const toAsk = new Set<string>()
  let closed = false

  const waits = (url: string) => store.waiting(url, 0, 1).length > 0

  function fill(): void {
    if (closed) return
    for (const courier of running.values()) courier.kick()
    for (const url of [...store.waitingRelays(), ...toAsk]) {
      if (running.size >= MAX_OPEN) return
      if (!isOwn(url) && !running.has(url) && !resting.has(url)) running.set(url, start(url))
    }
  }

  /** A relay that went back, and that nothing else leads to, would keep what it lost to itself. */
  function revisit(): void {
    const now = options.clock.now()
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
    const ms = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.min(count - 1, 10))
    const wake = () => {
      resting.delete(url)
      fill()
    }
    resting.set(url, timers.after(ms, wake, { background: true }))
  }

  function start(url: string): Courier {
    let cancelIdle: Cancel = () => {}
    let ended = false
    let begun = false
    let checking = false
    let epoch: string | undefined
    /** Of events that are not kept, until the relay can be written to. */
    let errands: ((reached: boolean) => void)[] = []
    let underWay = 0
    const cancelPatience = timers.after(PATIENCE_MS, () => end(waits(url)), { background: true })
    const link = createLink({
      ...options,
      // A stranger chose this address.
      dial: (address, events) => options.dial(address, events, { publicOnly: !options.allowPrivate }),
      url,
      reconnect: false,
      onOpen: introduce,
      onDown: () => end(waits(url)),
    })
    const lane = createLane({
      store,
      link,
      clock: options.clock,
      timers,
      random,
      epoch: () => epoch,
      onOutcome(outcome) {
        failures.delete(url)
        options.onOutcome(outcome)
      },
      onChange: watchIdle,
    })

    const filter = { kinds: [MESSAGE], authors: [options.pubkey] }
    const acknowledged = createAcknowledged({
      store,
      link,
      timers,
      filter,
      onLost() {
        if (begun && !ended) lane.open()
      },
      onChecked() {
        checking = false
        watchIdle()
      },
    })

    /** An OK's seq is worth something only with its epoch; and what was acknowledged before may be lost there by now. */
    function introduce(): void {
      const begin = (told?: string) => {
        cancelWait()
        if (begun || ended) return
        begun = true
        epoch = told
        toAsk.delete(url)
        checking = told !== undefined
        if (told !== undefined) acknowledged.check(told)
        lane.open()
        runErrands(true)
        watchIdle()
      }
      const cancelWait = timers.after(EPOCH_WAIT_MS, begin, { background: true })
      askEpoch(link, filter).then(begin)
    }

    function runErrands(reached: boolean): void {
      const waiting = errands
      errands = []
      for (const run of waiting) run(reached)
    }

    async function publish(event: NostrEvent): Promise<PublishOutcome> {
      underWay += 1
      const reached = begun || (!ended && (await new Promise<boolean>(resolve => errands.push(resolve))))
      const outcome = reached ? await link.publish(event, encodeEvent(event), OK_WAIT_MS) : UNREACHED
      underWay -= 1
      watchIdle()
      return outcome
    }

    function watchIdle(): void {
      cancelIdle()
      if (ended) return
      // Outcomes are written a moment later.
      cancelIdle = timers.after(0, () => {
        if (!begun || checking || !lane.isIdle || underWay > 0 || waits(url)) return
        const others = [...store.waitingRelays(), ...toAsk].some(each => !isOwn(each) && !running.has(each))
        if (others) end(false)
        else cancelIdle = timers.after(IDLE_MS, () => end(false), { background: true })
      })
    }

    function end(failed: boolean): void {
      if (ended) return
      ended = true
      close()
      running.delete(url)
      toAsk.delete(url)
      if (failed && !closed) rest(url)
      options.onChange()
      fill()
    }

    function close(): Promise<void> {
      ended = true
      cancelIdle()
      cancelPatience()
      acknowledged.stop()
      runErrands(false)
      lane.close()
      return link.close()
    }

    return {
      kick() {
        cancelIdle()
        lane.kick()
        watchIdle()
      },
      publish,
      close,
    }
  }

  fill()
  revisit()
  const cancelRevisits = every(timers, REVISIT_MS, revisit)
  return {
    kick: fill,
    async publish(url, event) {
      const courier =
        running.get(url) ?? (closed || resting.has(url) || running.size >= MAX_OPEN ? undefined : start(url))
      if (!courier) return UNREACHED
      running.set(url, courier)
      return courier.publish(event)
    },
    mayDeliver: url => !resting.has(url),
    get isFlushed() {
      return [...running.keys()].every(url => !waits(url))
    },
    async close() {
      closed = true
      cancelRevisits()
      for (const cancel of resting.values()) cancel()
      resting.clear()
      await Promise.all([...running.values()].map(courier => courier.close()))
    },
  }
}
