import { nextTurn } from './turn.ts'

/** Work of one turn of the event loop: timers, sockets and rendering wait no longer. */
const SLICE_MS = 5
/** The same where the clock stands still (simulations), or a step is too short to measure. */
export const SLICE_STEPS = 100

/** Divides a long run of work into turns of the event loop. One of it per loop, or shared by loops that run side by side. */
export interface Pace {
  /** Counts one step. False: this turn's share is used up, go on after {@link Pace.next}. */
  take(): boolean
  /** Resolves in the next turn. */
  next(): Promise<void>
}

/** `monotonic` in ms. */
export function createPace(monotonic: () => number): Pace {
  let turn: Promise<void> | undefined
  let endMs = 0
  let steps = 0

  function begin(): Promise<void> {
    if (turn) return turn
    endMs = monotonic() + SLICE_MS
    steps = 0
    turn = nextTurn().then(() => {
      turn = undefined
    })
    return turn
  }

  return {
    take() {
      begin()
      steps += 1
      return steps <= SLICE_STEPS && monotonic() < endMs
    },
    next: begin,
  }
}
