import { availableParallelism } from 'node:os'
import type { Verifier, VerifierStatus } from '../platform/verifier.ts'
import { openVerifierPool } from '../platform/verifier-pool.ts'
import { defaultVerifierSetting, type VerifierSetting, type VerifierTier } from '../platform/verifier-tier.ts'
import { createMemoryStore } from './log/memory.ts'
import { openSqliteStore } from './log/sqlite/store.ts'
import type { Store } from './log/store.ts'

/** Of the relay's options, what says where events are kept and what checks them. */
interface PartOptions {
  readonly data?: string
  readonly store?: Store
  readonly maxLogBytes?: number
  readonly search?: boolean
  readonly verifier?: VerifierSetting | Verifier
}
type OnError = (where: string, error: unknown) => void

/**
 * Natively a signature costs less than the rest of an event's way, so one core is left to that; otherwise it costs three times as much
 * as the rest, and every core takes part. More than four are more than the event loop and the log can feed.
 */
const verifierThreads = (tier: VerifierTier): number => {
  const cores = availableParallelism()
  return Math.min(4, tier === 'native' ? Math.max(1, cores - 1) : cores)
}

/** Store and verifier start side by side: both begin in threads. */
export async function openParts(options: PartOptions, onError: OnError): Promise<{ store: Store; verifier: Verifier }> {
  const [store, verifier] = await Promise.allSettled([openStore(options, onError), openVerifier(options.verifier)])
  if (store.status === 'fulfilled' && verifier.status === 'fulfilled')
    return { store: store.value, verifier: verifier.value }
  for (const part of [store, verifier]) if (part.status === 'fulfilled') await part.value.close()
  throw store.status === 'rejected' ? store.reason : (verifier as PromiseRejectedResult).reason
}

async function openStore({ store, data, maxLogBytes, search }: PartOptions, onError: OnError): Promise<Store> {
  if (store !== undefined) return store
  if (data === undefined) return createMemoryStore()
  const onDamage = (error: unknown) => onError('log', error)
  return openSqliteStore(data, {
    onDamage,
    onFull: error => onError('disk', error),
    ...(maxLogBytes === undefined ? {} : { maxBytes: maxLogBytes }),
    ...(search === undefined ? {} : { search }),
  })
}

const openVerifier = async (given: PartOptions['verifier'] = defaultVerifierSetting()): Promise<Verifier> =>
  typeof given === 'string' ? openVerifierPool({ setting: given, threads: verifierThreads }) : given

/** What may be told of a verifier. */
export const statusOf = ({ tier, library, threads, passedOver }: Verifier): VerifierStatus => ({
  tier,
  ...(library === undefined ? {} : { library }),
  ...(threads === undefined ? {} : { threads }),
  ...(passedOver === undefined ? {} : { passedOver }),
})
