import { sleep, type Timers } from '../../platform/timers.ts'
import { type NostrEvent, parseEventText } from '../../protocol/event.ts'
import { parseReason } from '../../protocol/reasons.ts'
import { RefusedError } from '../errors.ts'
import type { OutgoingMail } from '../mail/store.ts'
import type { Delivery } from '../mail/types.ts'
import type { Told } from '../relays/pool.ts'

/** Finding out where the recipient reads, connecting and being answered: longer is not now any more. */
const PATIENCE_MS = 10_000
/** What became of so many can be asked for. */
const MAX_TOLD = 1_000

export interface ExpressOptions {
  readonly timers: Timers
  /** Offers an event to the recipient's relays; what they say is added to `told`. */
  publish(event: NostrEvent, to: string, told: Told[]): Promise<void>
  onDelivery(id: string): void
}

/** Sends what is not kept: to the recipient's relays, once, now. */
export interface Express {
  /** Rejects with RefusedError if no relay took one of them, though not for want of listeners. */
  send(mails: readonly OutgoingMail[]): Promise<void>
  delivery(id: string): Delivery | undefined
}

export function createExpress({ timers, publish, onDelivery }: ExpressOptions): Express {
  const told = new Map<string, Delivery>()

  async function offer({ id, to, event }: OutgoingMail): Promise<void> {
    const patience = new AbortController()
    const outcomes: Told[] = []
    await Promise.race([publish(eventOf(event), to, outcomes), sleep(timers, PATIENCE_MS, patience.signal)])
    const delivery = judge(outcomes)
    patience.abort()
    told.set(id, delivery)
    const [oldest] = told.size > MAX_TOLD ? told.keys() : []
    if (oldest !== undefined) told.delete(oldest)
    onDelivery(id)
    if (delivery.state === 'refused') throw new RefusedError(id, 'relay', delivery.reason)
  }

  return {
    async send(mails) {
      const results = await Promise.allSettled(mails.map(offer))
      for (const result of results) if (result.status === 'rejected') throw result.reason
    },
    delivery: id => told.get(id),
  }
}

/** Passed on by one relay is enough; after that, that somebody was asked and nobody listened says more than a refusal. */
function judge(outcomes: readonly Told[]): Delivery {
  const taken = outcomes.find(({ accepted }) => accepted)
  if (taken) return Object.freeze({ state: 'sent', relay: taken.relay })
  const refusals = outcomes.filter(({ accepted }) => accepted === false)
  const unheard = refusals.find(({ message }) => parseReason(message).prefix === 'mute')
  if (unheard) return Object.freeze({ state: 'unheard', reason: unheard.message })
  const [refused] = refusals
  if (refused) return Object.freeze({ state: 'refused', relay: refused.relay, reason: refused.message })
  return Object.freeze({ state: 'unheard', reason: outcomes[0]?.message || 'no relay answered in time' })
}

/** Made here a moment ago. */
function eventOf(text: string): NostrEvent {
  const event = parseEventText(text)
  if (!event.ok) throw new TypeError(`not an event: ${event.error}`)
  return event.value
}
