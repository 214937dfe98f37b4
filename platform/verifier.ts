import type { NostrEvent } from '../protocol/event.ts'
import { verifyEvent } from '../protocol/signature.ts'

/** Checks ids and signatures in batches. Tiers differ in speed only; each is tested against {@link nobleVerifier}. */
export interface Verifier extends VerifierStatus {
  /** One verdict per event, in order. Rejects only if the verifier itself failed; then nothing is known of any event. */
  verify(events: readonly NostrEvent[]): Promise<readonly boolean[]>
  close(): Promise<void>
}

/** For logs, metrics and `doctor`: which implementation answers. */
export interface VerifierStatus {
  readonly tier: string
  /** The library behind it. */
  readonly library?: string
  /** Threads it has, or starts when there is work; absent on the calling thread. */
  readonly threads?: number
  /** Faster tiers and why they are not used. */
  readonly passedOver?: readonly string[]
}

/** The reference, on the calling thread: right for clients, browsers and simulations. */
export const nobleVerifier: Verifier = {
  tier: 'noble',
  verify: async events => events.map(verifyEvent),
  close: async () => {},
}
