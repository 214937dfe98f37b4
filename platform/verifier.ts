import type { NostrEvent } from '../protocol/event.ts'
import { verifyEvent } from '../protocol/signature.ts'

/** Checks ids and signatures in batches. Tiers differ in speed only; each is tested against {@link nobleVerifier}. */
export interface Verifier {
  /** For logs and `doctor`: which implementation answers. */
  readonly tier: string
  /** One verdict per event, in order. Rejects only if the verifier itself failed; then nothing is known of any event. */
  verify(events: readonly NostrEvent[]): Promise<readonly boolean[]>
  close(): Promise<void>
}

/** The reference, on the calling thread: right for clients, browsers and simulations. */
export const nobleVerifier: Verifier = {
  tier: 'noble',
  verify: async events => events.map(verifyEvent),
  close: async () => {},
}
