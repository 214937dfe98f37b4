import type { Timers } from '../platform/timers.ts'
import type { Delivery } from '../sdk/index.ts'
import { isUnreachable, type Mailbox } from './mailbox.ts'
import { poll } from './wait.ts'

const QUEUED: Delivery = { state: 'queued' }

/** Waits for the relay's word on what was sent; `queued` if none came in time or no relay can be reached. */
export async function delivered(
  mailbox: Mailbox,
  id: string,
  how: { readonly timers: Timers; readonly signal: AbortSignal; readonly ms: number },
): Promise<Delivery> {
  const settled = () => {
    const delivery = mailbox.delivery(id)
    if (delivery !== undefined && delivery.state !== 'queued') return delivery
    // A failed connection is known at once; trying on until the time is over would only be felt.
    return isUnreachable(mailbox) ? QUEUED : undefined
  }
  return (await poll(settled, how)) ?? QUEUED
}

/** Which relays still lack a message, and why, as far as the connections of this process tell. */
export function waitingAt({ agent, sent }: Pick<Mailbox, 'agent' | 'sent'>, id: string): readonly WaitingAt[] {
  const own = agent?.status().relays ?? []
  const waiting = (sent(id)?.copies ?? []).flatMap(({ relay, state }) => (state === 'waiting' ? [relay] : []))
  // Before its recipient's relays are known it has none.
  const relays = waiting.length > 0 ? waiting : own.map(({ url }) => url)
  return relays.map(relay => {
    const error = own.find(({ url }) => url === relay)?.error
    return { relay, ...(error === undefined ? {} : { reason: error }) }
  })
}

export interface WaitingAt {
  readonly relay: string
  readonly reason?: string
}
