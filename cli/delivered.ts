import type { Timers } from '../platform/timers.ts'
import type { Copy, Delivery } from '../sdk/index.ts'
import { isUnreachable, type Mailbox } from './mailbox.ts'
import { poll } from './wait.ts'

/** So long a relay of the recipient is waited for, once one of the sender's own has the message. */
const BETTER_MS = 3_000
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
    const copies = mailbox.sent(id)?.copies ?? []
    const isUnsent = copies.length === 0 ? isUnreachable(mailbox) : copies.every(isStuck)
    return mailbox.agent !== undefined && isUnsent ? QUEUED : undefined
  }
  const first = (await poll(settled, how)) ?? QUEUED
  if (!isLeft(first)) return first
  // The word of a relay that the recipient reads says more than that of one's own.
  const better = () => {
    const delivery = mailbox.delivery(id) ?? first
    return isLeft(delivery) && isUnderWay(mailbox, id) ? undefined : delivery
  }
  return (await poll(better, { ...how, ms: Math.min(how.ms, BETTER_MS) })) ?? first
}

const isStuck = ({ state, reason }: Copy): boolean =>
  state === 'refused' || (state === 'waiting' && reason !== undefined)

/** No relay has it that the recipient is known to read. */
export const isLeft = (delivery: Delivery): boolean => delivery.state === 'stored' && delivery.route === 'own-relays'

/** A relay elsewhere is still being tried. */
const isUnderWay = (mailbox: Pick<Mailbox, 'agent' | 'sent'>, id: string): boolean =>
  elsewhere(mailbox, id).some(({ reason }) => reason === undefined)

/** Which relays that are not the sender's own still lack a message, and why. */
export function elsewhere(mailbox: Pick<Mailbox, 'agent' | 'sent'>, id: string): readonly WaitingAt[] {
  const own = mailbox.agent?.status().relays.map(({ url }) => url) ?? []
  return (mailbox.sent(id)?.copies ?? []).flatMap(({ relay, state, reason }) =>
    state === 'waiting' && !own.includes(relay) ? [{ relay, ...(reason === undefined ? {} : { reason }) }] : [],
  )
}

/** Which relays still lack a message, and why, as far as the connections of this process tell. */
export function waitingAt({ agent, sent }: Pick<Mailbox, 'agent' | 'sent'>, id: string): readonly WaitingAt[] {
  const own = agent?.status().relays ?? []
  const waiting = (sent(id)?.copies ?? []).filter(({ state }) => state === 'waiting')
  // Before its recipient's relays are known it has none.
  const copies = waiting.length > 0 ? waiting : own.map(({ url }): Partial<Copy> & WaitingAt => ({ relay: url }))
  return copies.map(({ relay, reason }) => {
    const error = own.find(({ url }) => url === relay)?.error ?? reason
    return { relay, ...(error === undefined ? {} : { reason: error }) }
  })
}

export interface WaitingAt {
  readonly relay: string
  readonly reason?: string
}
