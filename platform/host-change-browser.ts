import type { OnHostChange } from './host-change.ts'

const WINDOW_EVENTS = ['online', 'offline', 'pageshow'] as const

/** The page came back to the front or from the cache, or the network came or went. */
export const onBrowserChange: OnHostChange = listener => {
  const page = globalThis.document as Document | undefined
  const onVisible = () => {
    if (page?.visibilityState === 'visible') listener()
  }
  for (const name of WINDOW_EVENTS) globalThis.addEventListener?.(name, listener)
  page?.addEventListener('visibilitychange', onVisible)
  page?.addEventListener('resume', listener)
  return () => {
    for (const name of WINDOW_EVENTS) globalThis.removeEventListener?.(name, listener)
    page?.removeEventListener('visibilitychange', onVisible)
    page?.removeEventListener('resume', listener)
  }
}
