import { onDemand } from '../../platform/on-demand.ts'
import { keepSuspected, type Repairer, type RepairerOptions, suspected } from './suspicion.ts'

export const loadRepairer = onDemand(() => import('../seldom.ts'))

/**
 * A repairer that is loaded at the first suspicion. The suspicion is stored at once, so that it stands where the code cannot be
 * fetched: the next suspicion or the next start tries again.
 */
export function lazyRepairer(options: RepairerOptions): Repairer {
  const { routes, store, clock } = options
  let repairer: Repairer | undefined
  let closed = false

  function load(): void {
    loadRepairer().then(
      ({ createRepairer }) => {
        if (!closed) repairer ??= createRepairer(options)
      },
      () => {},
    )
  }

  if (suspected(store).length > 0) load()
  return {
    suspect() {
      if (repairer) repairer.suspect()
      else if (!closed) {
        keepSuspected(
          store,
          routes.map(({ url }) => url),
          clock.now(),
        )
        load()
      }
    },
    close() {
      closed = true
      repairer?.close()
    },
  }
}
