import type { Cancel } from '../../../platform/timers.ts'
import type { Fork, LogStatus, OtherSession } from '../log/types.ts'
import type { Json } from './record.ts'
import type { GaugeTerms } from './typed.ts'

export interface StateChange {
  /** 64 hex: whose state. */
  readonly author: string
  readonly kind: 'value' | 'counter' | 'set' | 'gauge'
  readonly name: string
}

/** Everything as it reads now. */
export interface StateContent {
  readonly values: Readonly<Record<string, Json>>
  readonly counters: Readonly<Record<string, number>>
  readonly sets: Readonly<Record<string, readonly Json[]>>
  readonly gauges: Readonly<Record<string, number>>
}

/** How a state stands to what its author has written: where it is read from, what is missing, what waits. */
export interface StateStatus extends LogStatus {
  /** Own keys changed here and not signed yet: no relay was read so far, the signer is away, or `epsilon` holds them back. */
  readonly unwritten: number
}

/** What of the own state has to wait for another start: kept here, and sent then. */
export type Unsent = Pick<StateStatus, 'unwritten' | 'unacknowledged'>

/** One agent's state, as its owner has signed it. */
export interface StateView {
  /** 64 hex. */
  readonly author: string
  get(key: string): Json | undefined
  keys(): readonly string[]
  /** 0 if it never counted. */
  counter(name: string): number
  /** Elements of a set. */
  set(name: string): readonly Json[]
  /** The gauge as it stands at this moment. */
  gauge(name: string): number | undefined
  content(): StateContent
  /** Tells what has changed after the fact: one key (of any kind), or all. Returns the function that ends it. */
  subscribe(key: string | undefined, listener: (change: StateChange) => void): Cancel
  /** Which events of which session are in it: to be handed on with what is computed from it. */
  readonly cover: Readonly<Record<string, number>>
  readonly status: StateStatus
  /** Tells whenever the status has become another, so that a view says when it is no longer behind. Returns the function that ends it. */
  on(event: 'status', listener: (status: StateStatus) => void): Cancel
  /** 16 hex; equal for all who have come to the same state. */
  readonly digest: string
  /** Evidence that this author runs twice, or lies. */
  onFork(listener: (fork: Fork) => void): Cancel
  /** Resolves once one relay where it is published was read to its end, or, after 10 s without, any; false if it was closed before, or after `ms`. */
  ready(ms?: number): Promise<boolean>
  close(): Promise<void>
}

export interface SetOptions {
  /** For numbers: a change below this is told to others only a minute after the last one was. */
  readonly epsilon?: number
}

/** The agent's own state: read at once, written here at once, told to others as soon as may be. */
export interface OwnState {
  /** As others will read it. */
  readonly view: StateView
  /**
   * Resolves once it is kept on this machine. `null` removes. Rejects with StateError `state-malformed`, `state-too-large` or
   * `state-closed`.
   */
  set(key: string, value: Json, options?: SetOptions): Promise<void>
  delete(key: string): Promise<void>
  /** Changes to several keys that travel together. */
  update(values: Readonly<Record<string, Json>>): Promise<void>
  /** Adds to a counter, or subtracts. */
  count(name: string, by?: number): Promise<void>
  add(name: string, element: Json): Promise<void>
  remove(name: string, element: Json): Promise<void>
  /** Sets a gauge, within its ends; terms once given stay. */
  setGauge(name: string, value: number, terms?: GaugeTerms): Promise<void>
  /** Moves it from where it stands now. */
  moveGauge(name: string, by: number, terms?: GaugeTerms): Promise<void>
  /** Strength of the tie to a peer, 0 to 1, fading by half every `halfLifeMs` (default a week). */
  reinforce(peer: string, by: number, halfLifeMs?: number): Promise<void>
  coupling(peer: string): number
  /** Everything written so far is signed and taken by enough relays; false after `ms` (default 5,000): `view.status` says what is left. */
  flush(ms?: number): Promise<boolean>
  /** This key writes from elsewhere too: a clone, a restored backup, another device. */
  onOtherSession(listener: (other: OtherSession) => void): Cancel
  /** Sends what waits for at most `timeoutMs` (default 5,000), and ends; resolves to what is left for the next start. */
  close(options?: { readonly timeoutMs?: number }): Promise<Unsent>
}
