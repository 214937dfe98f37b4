import type { Cancel } from './timers.ts'

/**
 * Tells when connections may have died, or be possible again, without anybody having noticed: the network changed, or the host
 * slept. Returns the function that stops listening.
 */
export type OnHostChange = (listener: () => void) => Cancel
