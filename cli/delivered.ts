import type { Timers } from '../platform/timers.ts'
import { isMisdated } from '../protocol/reasons.ts'
import type { Copy, Delivery } from '../sdk/index.ts'
import { UNREACHED } from '../sdk/link/questions.ts'
import { owedOf } from '../sdk/mail/standing.ts'
import { isUnreachable, type Mailbox, refusalOf } from './mailbox.ts'
import { poll } from './wait.ts'

const QUEUED: Delivery = { state: 'queued' }

/** Waits for the word of the relays that the recipient reads; `queued` if none came in time or none can be reached. */
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
    const isUnsent = copies.length === 0 ? isUnreachable(mailbox) : copies.every(isOver)
    return mailbox.agent !== undefined && isUnsent ? QUEUED : undefined
  }
  return (await poll(settled, how)) ?? mailbox.delivery(id) ?? QUEUED
}

/** Nothing more is to be expected of this relay now: it has it, refused it, is not there, or refuses what our clock dates. */
const isOver = ({ state, reason }: Copy): boolean =>
  state !== 'waiting' || (reason !== undefined && (reason === UNREACHED.message || isMisdated(reason)))

/** Which relays still lack a message, and why, as far as is known here: those that its recipient reads before others. */
export function waitingAt({ agent, sent }: Pick<Mailbox, 'agent' | 'sent'>, id: string): readonly WaitingAt[] {
  const own = agent?.status().relays ?? []
  const copies = sent(id)?.copies ?? []
  const lacking = copies.filter(({ state }) => state !== 'stored')
  const owed = owedOf(lacking)
  // Before its recipient's relays are known it has none.
  const all = copies.length > 0 ? [...owed, ...lacking.filter(copy => !owed.includes(copy))] : own.map(toCopy)
  return all.map(({ relay, state, reason }) => {
    const error = (state === 'refused' ? undefined : own.find(({ url }) => url === relay)?.error) ?? reason
    return {
      relay,
      ...(state === 'refused' ? { refused: true } : {}),
      ...(error === undefined ? {} : { reason: error }),
    }
  })
}

const toCopy = ({ url }: { readonly url: string }): Copy => ({ relay: url, state: 'waiting' })

/** Why a relay of this profile takes nothing from it, if one of those lacks the message. */
export function refusedAt(mailbox: Mailbox, id: string): string | undefined {
  const own = mailbox.agent?.status().relays.map(({ url }) => url) ?? []
  return waitingAt(mailbox, id).some(({ relay }) => own.includes(relay)) ? refusalOf(mailbox) : undefined
}

/** Relays that were given a copy of a message to be sure, and have it: it arrives from there if its recipient reads there after all. */
export const leftAt = ({ sent }: Pick<Mailbox, 'sent'>, id: string): readonly string[] =>
  (sent(id)?.copies ?? []).flatMap(({ relay, state, fallback }) => (fallback && state === 'stored' ? [relay] : []))

export interface WaitingAt {
  readonly relay: string
  /** For good: it is not offered again. */
  readonly refused?: true
  readonly reason?: string
}
