import { loadSeldom } from '../load-seldom.ts'
import { keepSuspected, type Repairer, type RepairerOptions, suspected } from './suspicion.ts'

/**
 * A repairer that is loaded at the first suspicion. The suspicion is stored at once, so that it stands where the code cannot be
 * fetched: the next suspicion or the next start tries again.
 */
export function lazyRepairer(options: RepairerOptions): Repairer {
  const { routes, store, clock } = options
  let repairer: Repairer | undefined
  /** Until the repairer is here. */
  let noted = suspected(store)
  let loading = false
  let closed = false

  function load(): void {
    loading = true
    loadSeldom()
      .then(({ createRepairer }) => {
        if (!closed) repairer ??= createRepairer(options)
      })
      .catch(() => {})
      .finally(() => {
        loading = false
        options.onChange()
      })
  }

  if (noted.urls.length > 0) load()
  return {
    suspect(damaged) {
      if (repairer) repairer.suspect(damaged)
      else if (!closed) {
        noted = { urls: routes.map(({ url }) => url), damaged: damaged || noted.damaged }
        keepSuspected(store, noted, clock.now())
        load()
      }
    },
    isSuspect: url => repairer?.isSuspect(url) ?? (noted.damaged && noted.urls.includes(url)),
    get isPending() {
      return repairer?.isPending ?? (loading && noted.damaged)
    },
    close() {
      closed = true
      repairer?.close()
    },
  }
}
