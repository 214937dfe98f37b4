import type { Clock } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
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
  /** A comparison has ended, or `isPending` has. */
  onChange(): void
}

/** What is still to be compared. */
export interface Suspicion {
  /** Addresses of relays. */
  readonly urls: readonly string[]
  /** An event came damaged, or a position was broken: mail may be missing. Otherwise a log went back, and was read again from there. */
  readonly damaged: boolean
}

/** Restores what one relay lost or withheld: compares the inbox with every relay and fetches what it lacks. */
export interface Repairer {
  /** Something may be missing. */
  suspect(damaged: boolean): void
  /** Mail that this relay has may be missing: something came damaged, and it is not compared yet. */
  isSuspect(url: string): boolean
  /** The first comparison after damage is still to come, or under way. */
  readonly isPending: boolean
  close(): void
}

/** A suspicion outlives the process: positions are past what it is about. */
export function suspected(store: MailStore): Suspicion {
  const json = parseJson(store.relayNote(NOTE)?.text ?? '')
  const note = json.ok && isRecord(json.value) ? json.value : {}
  const urls = own(note, 'urls')
  return { urls: Array.isArray(urls) ? (urls as string[]) : [], damaged: own(note, 'damaged') === true }
}

export function keepSuspected(store: MailStore, { urls, damaged }: Suspicion, nowMs: number): void {
  const text = urls.length > 0 ? JSON.stringify({ urls, damaged }) : ''
  if (text !== (store.relayNote(NOTE)?.text ?? '')) store.keepRelayNote(NOTE, { text, askedMs: nowMs })
}
