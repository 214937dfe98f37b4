import { encodeEvent } from '../protocol/event.ts'
import { createEventChecker } from './event-checker.ts'
import { nobleVerifier, type Verifier } from './verifier.ts'
import { loadTier, type VerifierTier } from './verifier-tier.ts'

/** Loading WebAssembly takes as long as checking so many signatures with the reference. */
const WORTH_LOADING = 24

/**
 * On the calling thread, for clients in Node: the reference for the few signatures that a command checks, WebAssembly, which is
 * several times as fast, from there on. Where that cannot be loaded the reference goes on.
 */
export function createLocalVerifier(worthLoading = WORTH_LOADING): Verifier {
  let asked = 0
  let tier: VerifierTier = 'noble'
  let loading: Promise<ReturnType<typeof createEventChecker> | undefined> | undefined

  const load = async () => {
    const loaded = await loadTier('wasm').catch(() => undefined)
    if (loaded === undefined) return undefined
    tier = loaded.tier
    return createEventChecker(loaded.curve)
  }

  return {
    get tier() {
      return tier
    },
    async verify(events) {
      asked += events.length
      if (asked > worthLoading) loading ??= load()
      const check = await loading
      return check === undefined ? nobleVerifier.verify(events) : events.map(event => check(encodeEvent(event)))
    },
    close: async () => {},
  }
}
