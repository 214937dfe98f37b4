import type { Cancel } from '../../platform/timers.ts'
import type { Board, BoardOptions } from './blackboard/board.ts'
import type { Json } from './owned/record.ts'
import type { OwnState, SetOptions, StateChange, StateContent, StateView } from './owned/types.ts'

/** The agent's own state, fetched when it is first used. What is set is kept here at once and told to others as soon as may be. */
export interface AgentState {
  get(key: string): Promise<Json | undefined>
  /** Resolves once it is kept on this machine; `null` removes. Rejects with StateError. */
  set(key: string, value: Json, options?: SetOptions): Promise<void>
  /** Changes that travel together. */
  update(values: Readonly<Record<string, Json>>): Promise<void>
  delete(key: string): Promise<void>
  /** Everything, as it reads now. */
  entries(): Promise<StateContent>
  subscribe(key: string | undefined, listener: (change: StateChange) => void): Cancel
  /** Adds to a counter; what several processes of one key count at once adds up. */
  count(name: string, by?: number): Promise<void>
  /** Adds to a set: wins over a removal that has not seen it. */
  add(set: string, element: Json): Promise<void>
  remove(set: string, element: Json): Promise<void>
  /** Everything set so far is at enough relays, in `private` too where that was used; false after `ms` (default 5,000). */
  flush(ms?: number): Promise<boolean>
  /** All of it, readable without waiting: gauges, couplings, cover, status. */
  open(): Promise<OwnState>
}

/** What an agent does with state. */
export interface AgentStates {
  readonly state: AgentState & {
    /** The same for nobody else's eyes: sealed for the own key, relays see that and when it changes. */
    readonly private: AgentState
  }
  /** Another agent's state (npub, hex, contact name), kept up to date until it is closed; without a name the own one. */
  openState(who?: string): Promise<StateView>
  /** A board that several agents write, each its own section. */
  openBoard(id: string, options: BoardOptions): Promise<Board>
}
