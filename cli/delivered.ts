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
