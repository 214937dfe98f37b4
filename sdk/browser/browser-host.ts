import { systemClock } from '../../platform/clock.ts'
import { dialBrowser } from '../../platform/dial-browser.ts'
import { onBrowserChange } from '../../platform/host-change-browser.ts'
import { systemRandom } from '../../platform/random.ts'
import { systemTimers } from '../../platform/timers.ts'
import { nextTurn } from '../../platform/turn.ts'
import { createBrowserVerifier } from '../../platform/verifier-browser.ts'
import type { Host } from '../api.ts'
import { createYieldingVerifier } from '../yielding-verifier.ts'

/** What an agent stands on in a page or worker: the native WebSocket and crypto, nothing of Node. */
export const browserHost: Host = {
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  verifier: createYieldingVerifier(nextTurn, createBrowserVerifier()),
  dial: dialBrowser,
  get: async (url, options) => (await import('../../platform/web-get-browser.ts')).getBrowser(url, options),
  onHostChange: onBrowserChange,
}
