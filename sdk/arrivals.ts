import { isInitiating } from './acts.ts'
import type { AgentEvents } from './api.ts'
import type { MailStore, Outcome, StoredMail } from './mail/store.ts'
import type { Delivery, Receipt } from './mail/types.ts'
import type { View } from './mail/view.ts'
import type { Notices } from './notices.ts'
import type { Asks } from './sending/asks.ts'
import type { Breaker } from './sending/breaker.ts'
import type { Counters } from './telemetry/counters.ts'
import type { Telemetry } from './telemetry/telemetry.ts'

export interface ArrivalsOptions {
  readonly store: MailStore
  readonly view: View
  readonly asks: Asks
  readonly breaker: Breaker
  readonly counters: Counters
  readonly notices: Notices<AgentEvents>
  readonly telemetry: Telemetry
  delivery(id: string): Delivery | undefined
  /** Something changed. */
  beat(): void
  /** Messages for handlers, and for the receipt clerk. */
  onMail(mails: readonly StoredMail[]): void
}

/** What is in the store now is told to whoever waits for it: questions under way, breaker, counters, listeners. */
export interface Arrivals {
  mail(mails: readonly StoredMail[]): void
  receipts(receipts: readonly Receipt[]): void
  outcomes(outcomes: readonly Outcome[]): void
  /** What became of a sent message may have changed. */
  delivery(id: string): void
}

export function createArrivals(options: ArrivalsOptions): Arrivals {
  const { store, view, asks, breaker, counters, notices, telemetry } = options

  function receive(mail: StoredMail): void {
    const { replyTo, act, from, id, traceparent: parent } = mail
    telemetry.span({ name: 'receive', act, peer: from, id, parent }, () => {})
    if (replyTo !== undefined && store.recipient(replyTo) === from) {
      if (act === 'failure') breaker.failed(from, replyTo)
      else if (!isInitiating(act)) breaker.succeeded(from)
    }
    // Of thousands that were missed most are for nobody who waits right now.
    if (!asks.isAwaited(replyTo) && !notices.has('message')) return
    const message = view.message(mail)
    if (asks.offer(message)) store.endWork(id, { state: 'done' })
    notices.emit('message', message)
  }

  function tellDelivery(id: string): void {
    const delivery = notices.has('delivery') && options.delivery(id)
    if (delivery) notices.emit('delivery', { id, ...delivery })
  }

  return {
    mail(mails) {
      if (mails.length === 0) return
      for (const mail of mails) receive(mail)
      options.beat()
      options.onMail(mails)
    },
    receipts(receipts) {
      for (const receipt of receipts) {
        if (receipt.state === 'failed') breaker.failed(receipt.from, receipt.of)
        if (receipt.state === 'done') breaker.succeeded(receipt.from)
        counters.receipt()
        asks.receipt(receipt)
        tellDelivery(receipt.of)
        options.beat()
      }
    },
    outcomes(outcomes) {
      for (const outcome of outcomes) {
        counters.settled(outcome)
        asks.settle(outcome)
        tellDelivery(outcome.id)
      }
    },
    delivery: tellDelivery,
  }
}
