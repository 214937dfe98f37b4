import { hasValidId } from '../protocol/event.ts'
import { isSignedAs, type SchnorrVerify } from '../protocol/signature.ts'
import { nobleVerifier, type Verifier } from './verifier.ts'

/** Fetching the faster code costs the time of about so many signatures. */
const WORTH_LOADING = 24
/** An attempt that failed (a page that is offline) is made again after so many more. */
const AGAIN = 1_000

/**
 * For pages: the small implementation that they load at once, and one that verifies twice as fast as soon as there is much to verify.
 * Where that cannot be fetched the small one goes on.
 */
export function createBrowserVerifier(
  load: () => Promise<{ readonly schnorr: { readonly verify: SchnorrVerify } }> = () => import('./schnorr-fast.ts'),
): Verifier {
  let asked = 0
  let worthLoading = WORTH_LOADING
  let fast: SchnorrVerify | undefined

  function fetchFast(): void {
    worthLoading = asked + AGAIN
    load().then(
      ({ schnorr }) => {
        fast = schnorr.verify
      },
      () => {},
    )
  }

  return {
    ...nobleVerifier,
    get library() {
      return fast ? '@noble/curves' : '@noble/secp256k1'
    },
    async verify(events) {
      asked += events.length
      if (!fast && asked > worthLoading) fetchFast()
      const verify = fast
      if (!verify) return nobleVerifier.verify(events)
      return events.map(event => hasValidId(event) && isSignedAs(event, verify))
    },
  }
}
