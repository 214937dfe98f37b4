import type { Verifier } from '#dist/platform/verifier.js'
import { openVerifierPool } from '#dist/platform/verifier-pool.js'
import { defaultVerifierSetting } from '#dist/platform/verifier-tier.js'

// One verifier thread for all relays that a test process ever starts: a thread of its own would cost each of them 100 ms of CPU.
const place = globalThis as { posthornTestVerifier?: Promise<Verifier> }

/** The tier of POSTHORN_VERIFIER, or the fastest that is here; closing it is left to the end of the process. */
export async function sharedVerifier(): Promise<Verifier> {
  place.posthornTestVerifier ??= openVerifierPool({ setting: defaultVerifierSetting(), threads: 1 })
  const pool = await place.posthornTestVerifier
  return { ...pool, verify: events => pool.verify(events), close: async () => {} }
}
