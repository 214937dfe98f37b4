import type { Log, LogHost, LogOptions } from '../state/log/types.ts'
import type { Unsent } from '../state/owned/types.ts'

/** What documents need of the agent that has them. */
export interface DocHost extends LogHost {
  openLog<P, S>(options: LogOptions<P, S>): Log<P, S>
  /** npub, hex or contact name to 64 hex; throws UnknownRecipientError. */
  resolve(who: string): string
  /** Called when the agent is being closed, while its relays can still be written to. Returns the function that takes it back. */
  onClosing(close: (timeoutMs: number) => Promise<void>, unsent: () => Unsent): () => void
}
