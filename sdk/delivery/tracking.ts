import type { Clock } from '../../platform/clock.ts'
import type { Agent } from '../api.ts'
import { AgentClosedError, ExpiredError, RefusedError, TimeoutError } from '../errors.ts'
import type { Life } from '../life.ts'
import { UNREACHED } from '../link/questions.ts'
import type { MailStore } from '../mail/store.ts'
import type { Delivery } from '../mail/types.ts'
import type { View } from '../mail/view.ts'

const STORED_TIMEOUT_MS = 30_000

export interface TrackingOptions {
  readonly store: MailStore
  readonly view: View
  readonly clock: Clock
  readonly life: Life
  /** False: the relay was not reached lately. */
  mayDeliver(url: string): boolean
  /** Of a message that was told and not kept. */
  told(id: string): Delivery | undefined
}

/** What became of sent messages, and waiting for it. */
export type Tracking = Pick<Agent, 'stored' | 'delivery' | 'sent' | 'receipts' | 'copies' | 'replies'>

export function createTracking({ store, view, clock, life, mayDeliver, told }: TrackingOptions): Tracking {
  const copies = (id: string) =>
    store
      .copies(id)
      .map(copy =>
        copy.state === 'waiting' && !mayDeliver(copy.relay)
          ? Object.freeze({ ...copy, reason: UNREACHED.message })
          : copy,
      )
  const delivery = (id: string) => told(id) ?? view.delivery(store, id, clock.now())

  return {
    delivery,
    sent(id) {
      const entry = view.sent(store, id, clock.now())
      return entry && Object.freeze({ ...entry, copies: copies(entry.id) })
    },
    receipts: id => store.receipts(id),
    copies,
    async stored(id, { timeout = STORED_TIMEOUT_MS } = {}) {
      await life.until(() => life.isClosed || store.delivery(id)?.state !== 'queued', timeout)
      if (life.isClosed) throw new AgentClosedError()
      const kept = store.delivery(id)
      if (kept?.state === 'refused' || kept?.state === 'undeliverable') throw new RefusedError(id, 'relay', kept.reason)
      if (kept?.state === 'expired') throw new ExpiredError(id)
      if (kept && kept.state !== 'queued') return delivery(id) ?? kept
      throw new TimeoutError(id, 'OK of a relay', timeout)
    },
    async *replies(id) {
      let after = 0
      while (!life.isClosed) {
        const recipient = store.recipient(id)
        for (const mail of store.repliesTo(id, after)) {
          after = mail.ordinal
          if (recipient !== undefined && mail.from !== recipient) continue
          store.markRead(mail.id)
          yield view.message(mail)
          if (life.isClosed) return
        }
        await life.next()
      }
    },
  }
}
