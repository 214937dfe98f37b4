import type { Clock } from '../../platform/clock.ts'

/** Frames that were underway when their subscription ended: what a relay and the network may have had in their buffers. */
const BURST_BYTES = 32 * 1024 * 1024
const BYTES_PER_MS = 1_024
/** What a frame costs beside its bytes: parsing it. */
const FRAME_COST = 1_024

/**
 * Charges a relay for frames that nothing asked for: late ones of an ended subscription, notices, answers to no question. Returns
 * true once there are more than a relay can have sent in good faith.
 */
export function createUnasked(clock: Clock): (bytes: number) => boolean {
  let left = BURST_BYTES
  let at = clock.monotonic()
  return bytes => {
    const now = clock.monotonic()
    left = Math.max(-1, Math.min(BURST_BYTES, left + (now - at) * BYTES_PER_MS) - FRAME_COST - bytes)
    at = now
    return left < 0
  }
}
