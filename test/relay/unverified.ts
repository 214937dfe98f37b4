import { eventId, type NostrEvent } from 'posthorn/protocol'
import { nowSeconds } from '../helpers/events.ts'
import { ALICE } from './unsigned.ts'

/** Believes every signature: for what comes after it and takes many events. */
export const credulous = {
  tier: 'none',
  verify: async (events: readonly NostrEvent[]) => events.map(() => true),
  close: async () => {},
}

let made = 0
/** An event with a true id and no signature. */
export function unverified(kind = 1): NostrEvent {
  made += 1
  const template = { kind, created_at: nowSeconds() - 10_000 + made, tags: [], content: `${made}` }
  return { ...template, id: eventId(ALICE, template), pubkey: ALICE, sig: '0'.repeat(128) }
}
