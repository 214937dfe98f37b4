/**
 * Limits for worker threads. What a batch leaves behind is garbage a moment later: a thread that may let 48 MB of it gather, as V8 does by
 * itself, gains nothing by it, and the process has five of them.
 */
export const THREAD_MEMORY = { maxYoungGenerationSizeMb: 6 } as const
