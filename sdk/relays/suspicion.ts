import type { Clock } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import { parseJson } from '../../protocol/json.ts'
import type { Route } from '../mail/route.ts'
import type { MailStore } from '../mail/store.ts'

/** Under which name the store keeps the relays that are still to be compared, among its notes about keys: no key has this name. */
const NOTE = 'suspected'

export interface RepairerOptions {
  readonly routes: readonly Route[]
  readonly pubkey: string
  readonly store: MailStore
  readonly clock: Clock
  readonly timers: Timers
}

/** Restores what one relay lost or withheld: compares the inbox with every relay and fetches what it lacks. */
export interface Repairer {
  /** Something may be missing. */
  suspect(): void
  close(): void
}

/** Addresses of relays that are still to be compared. */
export function suspected(store: MailStore): readonly unknown[] {
  const json = parseJson(store.relayNote(NOTE)?.text ?? '[]')
  return json.ok && Array.isArray(json.value) ? json.value : []
}

/** A suspicion outlives the process: positions are past what it is about. */
export function keepSuspected(store: MailStore, urls: readonly string[], nowMs: number): void {
  const text = JSON.stringify(urls)
  if (text !== (store.relayNote(NOTE)?.text ?? '[]')) store.keepRelayNote(NOTE, { text, askedMs: nowMs })
}
