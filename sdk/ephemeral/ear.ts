import type { Clock } from '../../platform/clock.ts'
import type { Cancel } from '../../platform/timers.ts'
import type { Verifier } from '../../platform/verifier.ts'
import { type NostrEvent, tagValues } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { EPHEMERAL_MESSAGE, EPHEMERAL_WRAP } from '../../protocol/kinds.ts'
import type { Lines } from '../link/lines.ts'
import { createInOrder } from '../mail/in-order.ts'
import { type Opened, readMail } from '../mail/receive.ts'
import type { Sealer } from '../mail/seal.ts'
import type { Mail } from '../mail/store.ts'
import { isWithin } from '../mail/topic.ts'
import type { Rates } from '../rate.ts'
import { WRAPS } from './wraps.ts'

/** Ids remembered, so that what comes over several relays is told once. */
const MAX_SEEN = 10_000
/** Seconds that clocks may differ by. What is dated further from now is a replay: no relay keeps such messages honestly. */
const MAX_SKEW = 15 * 60
export interface EarOptions {
  readonly lines: Lines
  readonly pubkey: string
  readonly sealer: Sealer
  readonly verifier: Verifier
  readonly clock: Clock
  readonly rates: Rates
  /** Messages of this key are wanted. */
  accepts(from: string): boolean
  onMessage(mail: Mail): void
}

/** Hears ephemeral messages at all relays: verified, fresh, once each, within their sender's rate, from whom they are wanted. */
export interface Ear {
  /** Asks the relays from now on, or no more; the topics are those subscribed to. */
  listen(wanted: boolean, topics: readonly string[]): void
  close(): void
}

export function createEar(options: EarOptions): Ear {
  const { lines, pubkey, clock, rates } = options
  const seen = new Set<string>()
  const inOrder = createInOrder()
  let asked = ''
  let topics: readonly string[] = []
  let stop: Cancel = () => {}

  function listen(wanted: boolean, prefixes: readonly string[]): void {
    topics = prefixes
    const text = wanted ? JSON.stringify(prefixes) : ''
    if (text === asked) return
    asked = text
    stop()
    stop = wanted ? lines.each(line => line.watch(filters(), { onEvent: event => hear(event, line.url) })) : () => {}
  }

  function filters(): FilterJson[] {
    const direct = { kinds: [EPHEMERAL_MESSAGE, EPHEMERAL_WRAP], '#p': [pubkey], limit: 0 }
    return topics.length > 0 ? [direct, { kinds: [EPHEMERAL_MESSAGE], '#T': topics, limit: 0 }] : [direct]
  }

  /** Said for the first time; remembers it. */
  function isNew(id: string): boolean {
    if (seen.has(id)) return false
    seen.add(id)
    const [oldest] = seen.size > MAX_SEEN ? seen : []
    if (oldest !== undefined) seen.delete(oldest)
    return true
  }

  function hear(event: NostrEvent, relay: string): void {
    const isWrap = event.kind === EPHEMERAL_WRAP
    if (!isFresh(event.created_at) || !(isWrap || options.accepts(event.pubkey)) || !isNew(event.id)) return
    if (!rates.take(isWrap ? WRAPS : event.pubkey)) return
    const tell = ({ mail }: Opened) => {
      for (const each of mail)
        if (asked !== '' && (!isWrap || isWantedWrap(each)) && isForUs(each, event)) options.onMessage(each)
    }
    // The key is elsewhere and gives no answer: what is about now is not worth asking again for.
    void inOrder(readMail([{ event }], { ...options, relay }), tell)?.catch(() => {})
  }

  const isFresh = (at: number) => Math.abs(clock.now() / 1000 - at) <= MAX_SKEW

  const isWantedWrap = ({ id, from, at }: Mail) => isFresh(at) && options.accepts(from) && isNew(id) && rates.take(from)

  function isForUs(mail: Mail, event: NostrEvent): boolean {
    if (mail.error !== undefined) return false
    if (mail.deadline !== undefined && mail.deadline * 1000 <= clock.now()) return false
    // What is addressed to us, or a post by somebody else: its author's own comes back to it.
    return tagValues(event, 'p').includes(pubkey) || (mail.from !== pubkey && isWithin(mail.topic, topics))
  }

  return {
    listen,
    close: () => listen(false, []),
  }
}
