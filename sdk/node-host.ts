import { systemClock } from '../platform/clock.ts'
import { dialNode } from '../platform/dial-node.ts'
import { systemRandom } from '../platform/random.ts'
import { sleep, systemTimers } from '../platform/timers.ts'
import { createLocalVerifier } from '../platform/verifier-local.ts'
import type { Host } from './api.ts'
import { createConnect } from './link/connect.ts'
import { createLookout, type Lookout, type LookoutOptions } from './lookout.ts'
import { createRemoteSigner } from './remote-signer/index.ts'
import { createYieldingVerifier } from './yielding-verifier.ts'

const verifier = createLocalVerifier()

/** What an agent stands on in Node, Bun and Deno. */
export const nodeHost: Host = {
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  verifier: createYieldingVerifier(() => sleep(systemTimers, 0), verifier),
  dial: dialNode,
}

/** Opens one connection. Rejects with RelayUnreachableError. */
export const connect = createConnect({ ...nodeHost, verifier })

/** Connects to a remote signer (NIP-46). Rejects with SignerError. */
export const remoteSigner = createRemoteSigner(nodeHost)

/** Looks at agents over relays without being one. Never rejects: what cannot be reached is tried again. */
export const openLookout = (options: Pick<LookoutOptions, 'relays' | 'authenticate' | 'contacts'>): Lookout =>
  createLookout({ ...nodeHost, ...options })
