/**
 * Tries out somewhere else what could keep this thread busy for longer than anybody waits. Resolves to false if it took longer than
 * `ms`, or ended in an error.
 */
export type Trial = (state: Uint8Array, updates: readonly Uint8Array[], ms: number) => Promise<boolean>

/**
 * Applying a valid update takes at most as many steps as its elements times those of the document (about 0.15 µs each as measured):
 * with neighbours chosen for it, every one of the first makes Yjs walk past all of the second. Up to this many steps it is done at once.
 */
export const STEPS_AT_ONCE = 2_000_000
/**
 * How long a trial may take. That says something of this machine, not of the change: it is tried again, with more time, and never refused for it,
 * since members with other machines would decide otherwise.
 */
export const TRIAL_MS = 5_000
const LONGEST_TRIAL_MS = 45_000
/** From one trial of a change to the next. */
const AGAIN_MS = 10_000
const LONGEST_AGAIN_MS = 3_600_000

/** `tries` have failed. */
export const trialMs = (tries: number): number => Math.min(LONGEST_TRIAL_MS, TRIAL_MS * 3 ** tries)
export const againMs = (tries: number): number => Math.min(LONGEST_AGAIN_MS, AGAIN_MS * 3 ** tries)
