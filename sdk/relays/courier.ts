import type { Cancel } from '../../platform/timers.ts'
import { encodeEvent, type NostrEvent } from '../../protocol/event.ts'
import { MESSAGE } from '../../protocol/kinds.ts'
import type { Host } from '../api.ts'
import { createAcknowledged } from '../link/acknowledged.ts'
import type { Authenticate } from '../link/authenticator.ts'
import { createLink } from '../link/link.ts'
import { type PublishOutcome, UNREACHED } from '../link/questions.ts'
import { askEpoch } from '../mail/ask-epoch.ts'
import { createLane, type LaneOptions } from '../mail/lane.ts'
import type { MailStore, Outcome } from '../mail/store.ts'

/** A connection with nothing to carry is kept so long, for an answer that may follow. */
const IDLE_MS = 20_000
/** A relay that takes nothing for so long is given up for now. */
const PATIENCE_MS = 60_000
/** A relay that does not answer a question may still take mail. */
const EPOCH_WAIT_MS = 3_000
const OK_WAIT_MS = 5_000

export interface CourierOptions extends Host {
  readonly url: string
  readonly pubkey: string
  readonly store: MailStore
  readonly authenticate: Authenticate
  /** The address may be on this machine or in a private network. */
  readonly allowPrivate: boolean
  redate: LaneOptions['redate']
  onOutcome(outcome: Outcome): void
  /** The relay answered something that we needed. */
  onProgress(): void
  /** The relay has answered whether it still has what it acknowledged. */
  onAsked(): void
  /** `failed`: something still waits for this relay. */
  onEnd(failed: boolean): void
}

/** One connection to a relay that is not the agent's own, from dialling to hanging up. */
export interface Courier {
  kick(): void
  publish(event: NostrEvent): Promise<PublishOutcome>
  /** Nothing waits for this relay, nothing is under way. */
  readonly isIdle: boolean
  /** Hangs up; `onEnd` is called. */
  end(failed: boolean): void
  /** Hangs up without `onEnd`. */
  close(): Promise<void>
}

export function createCourier(options: CourierOptions): Courier {
  const { url, store, timers, random } = options
  let cancelIdle: Cancel = () => {}
  let cancelPatience: Cancel = () => {}
  let ended = false
  let begun = false
  let checking = false
  let epoch: string | undefined
  /** Of events that are not kept, until the relay can be written to. */
  let errands: ((reached: boolean) => void)[] = []
  let underWay = 0

  const waits = () => store.waiting(url, 0, 1).length > 0

  function bePatient(): void {
    cancelPatience()
    cancelPatience = timers.after(PATIENCE_MS, () => end(waits()), { background: true })
  }

  function progress(): void {
    bePatient()
    options.onProgress()
  }

  bePatient()
  const link = createLink({
    ...options,
    // A stranger chose this address.
    dial: (address, events) => options.dial(address, events, { publicOnly: !options.allowPrivate }),
    reconnect: false,
    onOpen: introduce,
    onDown: () => end(waits()),
  })
  const lane = createLane({
    store,
    link,
    clock: options.clock,
    timers,
    random,
    epoch: () => epoch,
    redate: options.redate,
    onOutcome(outcome) {
      progress()
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
      options.onAsked()
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
    if (outcome.accepted !== undefined) progress()
    watchIdle()
    return outcome
  }

  const isIdle = () => begun && !checking && lane.isIdle && underWay === 0 && !waits()

  function watchIdle(): void {
    cancelIdle()
    if (ended) return
    // Outcomes are written a moment later.
    cancelIdle = timers.after(0, () => {
      if (!isIdle()) return
      options.onProgress()
      if (!ended) cancelIdle = timers.after(IDLE_MS, () => end(false), { background: true })
    })
  }

  function end(failed: boolean): void {
    if (ended) return
    void close()
    options.onEnd(failed)
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
      if (isIdle()) return
      cancelIdle()
      lane.kick()
      watchIdle()
    },
    publish,
    get isIdle() {
      return isIdle()
    },
    end,
    close,
  }
}
