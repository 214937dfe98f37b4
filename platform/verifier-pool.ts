import { encodeEvent, type NostrEvent } from '../protocol/event.ts'
import type { Verifier } from './verifier.ts'
import { startVerifierThread, type VerifierThread } from './verifier-thread-handle.ts'
import { isVerifierSetting, VERIFIER_TIERS, type VerifierSetting, type VerifierTier } from './verifier-tier.ts'

export interface VerifierPoolOptions {
  /** Default: `auto`. */
  readonly setting?: VerifierSetting
  /** 1 or more, or what gives that for the tier found here; all but the first are started when there is work for them. */
  readonly threads: number | ((tier: VerifierTier) => number)
  /** Module of the threads, for tests. */
  readonly body?: URL
}

/** Events per message to a thread: large enough to hide the hop, small enough to spread a burst over the pool. */
const CHUNK = 64

/**
 * Verification off the event loop. Events cross the thread border as their texts, which costs a tenth of copying objects.
 * Node only. Rejects with {@link VerifierUnavailableError} if this machine cannot load what is asked for.
 */
export async function openVerifierPool(options: VerifierPoolOptions): Promise<Verifier> {
  const { setting = 'auto', body } = options
  if (typeof options.threads === 'number') requireThreads(options.threads)
  if (!isVerifierSetting(setting)) throw new TypeError(`a verifier is auto, ${VERIFIER_TIERS.join(', ')}`)
  const first = startVerifierThread(setting, body)
  const { tier, library, passedOver } = await first.ready
  const threads = typeof options.threads === 'number' ? options.threads : requireThreads(options.threads(tier))
  const pool: VerifierThread[] = [first]
  let closed = false

  /** The one with the least to do. A thread that died took its jobs with it (they reject); the next ones get a fresh one. */
  function takeThread(): VerifierThread {
    const alive = pool.filter(thread => !thread.ended)
    let best = alive.reduce<VerifierThread | undefined>(
      (least, thread) => (least === undefined || thread.load < least.load ? thread : least),
      undefined,
    )
    if (best === undefined || (best.load > 0 && alive.length < threads)) {
      best = startVerifierThread(tier, body)
      // A failure shows in the jobs.
      best.ready.catch(() => {})
      alive.push(best)
    }
    pool.splice(0, pool.length, ...alive)
    return best
  }

  return {
    tier,
    library,
    threads,
    passedOver,
    async verify(events: readonly NostrEvent[]) {
      if (closed) throw new Error('the verifier is closed')
      const chunks: Promise<readonly boolean[]>[] = []
      for (let start = 0; start < events.length; start += CHUNK)
        chunks.push(takeThread().run(events.slice(start, start + CHUNK).map(encodeEvent)))
      return (await Promise.all(chunks)).flat()
    },
    async close() {
      closed = true
      await Promise.all(pool.map(thread => thread.end()))
    },
  }
}

function requireThreads(threads: number): number {
  if (Number.isSafeInteger(threads) && threads >= 1) return threads
  throw new RangeError('a verifier pool needs at least one thread')
}
