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
export const TRIAL_MS = 5_000
