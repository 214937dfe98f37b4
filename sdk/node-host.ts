import { availableParallelism } from 'node:os'
import { systemClock } from '../platform/clock.ts'
import { dialNode } from '../platform/dial-node.ts'
import { systemRandom } from '../platform/random.ts'
import { systemTimers } from '../platform/timers.ts'
import { nextTurn } from '../platform/turn.ts'
import { createBacklogVerifier } from '../platform/verifier-backlog.ts'
import { createLocalVerifier } from '../platform/verifier-local.ts'
import type { Host } from './api.ts'
import { createConnect } from './link/connect.ts'
import { createLookout, type Lookout, type LookoutOptions } from './lookout.ts'
import { createRemoteSigner } from './remote-signer/index.ts'
import { createYieldingVerifier } from './yielding-verifier.ts'

const local = createLocalVerifier()
/** Beside the thread that reads, opens and records; a phone's worth of cores is enough. */
const MOST_THREADS = 2

/** What checks the signatures of many events. */
export async function openThreads() {
  const { openVerifierPool } = await import('../platform/verifier-pool.ts')
  const { defaultVerifierSetting } = await import('../platform/verifier-tier.ts')
  const threads = Math.min(MOST_THREADS, Math.max(1, availableParallelism() - 1))
  return openVerifierPool({ setting: defaultVerifierSetting(), threads })
}

const verifier = createBacklogVerifier({
  near: createYieldingVerifier(nextTurn, local),
  open: openThreads,
  breathe: nextTurn,
  timers: systemTimers,
})

/** What an agent stands on in Node, Bun and Deno. */
export const nodeHost: Host = {
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  verifier,
  dial: dialNode,
  get: async (url, options) => (await import('../platform/web-get-node.ts')).getNode(url, options),
}

/** Opens one connection. Rejects with RelayUnreachableError. */
export const connect = createConnect({ ...nodeHost, verifier: local })

/** Connects to a remote signer (NIP-46). Rejects with SignerError. */
export const remoteSigner = createRemoteSigner(nodeHost)

/** Looks at agents over relays without being one. Never rejects: what cannot be reached is tried again. */
export const openLookout = (
  options: Pick<LookoutOptions, 'relays' | 'discovery' | 'authenticate' | 'contacts' | 'hints'>,
): Lookout => createLookout({ ...nodeHost, ...options })
