import { nobleVerifier, type Verifier } from '../platform/verifier.ts'

/** About 10 ms of work between two looks at the network. */
const SLICE = 8
/** The same for WebAssembly. */
const FAST_SLICE = 40

/** Lets the event loop breathe during a long batch; `breathe` resolves once it has. Default: the reference. */
export const createYieldingVerifier = (breathe: () => Promise<void>, verifier: Verifier = nobleVerifier): Verifier => ({
  get tier() {
    return verifier.tier
  },
  async verify(events) {
    const verdicts: boolean[] = []
    while (verdicts.length < events.length) {
      if (verdicts.length > 0) await breathe()
      const slice = verifier.tier === 'noble' ? SLICE : FAST_SLICE
      verdicts.push(...(await verifier.verify(events.slice(verdicts.length, verdicts.length + slice))))
    }
    return verdicts
  },
  close: () => verifier.close(),
})
