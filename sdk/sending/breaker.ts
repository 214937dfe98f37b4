import type { Clock } from '../../platform/clock.ts'
import { PeerPausedError } from '../errors.ts'

const FAILURES = 5
const WINDOW_MS = 10_000
const COOLDOWN_MS = 60_000
/** Peers remembered; those without a failure are not. */
const MAX_PEERS = 1_000

interface Peer {
  failures: { readonly id: string; readonly at: number }[]
  openUntil?: number
  /** The message sent as a probe while half open. */
  probing?: boolean
}

/** One circuit per peer: five failures within ten seconds open it for a minute, then one message may try. Asleep is not failed. */
export interface Breaker {
  /** Throws {@link PeerPausedError} while the circuit is open; half open, it lets one through. */
  pass(peer: string): void
  /** The peer told that it failed; by reply and receipt of one message it counts once. */
  failed(peer: string, id: string): void
  succeeded(peer: string): void
}

export function createBreaker(clock: Clock): Breaker {
  const peers = new Map<string, Peer>()

  return {
    pass(pubkey) {
      const peer = peers.get(pubkey)
      if (peer?.openUntil === undefined) return
      const now = clock.monotonic()
      if (now < peer.openUntil) throw new PeerPausedError(pubkey, peer.openUntil - now)
      // Half open: one may try; without a word from it, the next one may after another cooldown.
      peer.probing = true
      peer.openUntil = now + COOLDOWN_MS
    },
    failed(pubkey, id) {
      const now = clock.monotonic()
      const peer = peers.get(pubkey) ?? { failures: [] }
      if (peer.failures.some(failure => failure.id === id)) return
      peers.delete(pubkey)
      peers.set(pubkey, peer)
      const [oldest] = peers.keys()
      if (peers.size > MAX_PEERS && oldest !== undefined) peers.delete(oldest)
      peer.failures = [...peer.failures.filter(({ at }) => now - at < WINDOW_MS), { id, at: now }].slice(-FAILURES)
      if (peer.probing || (peer.openUntil === undefined && peer.failures.length >= FAILURES)) {
        peer.openUntil = now + COOLDOWN_MS
        peer.probing = false
      }
    },
    succeeded: pubkey => void peers.delete(pubkey),
  }
}
