import type { Acknowledged, AcknowledgedOptions } from '../link/acknowledged.ts'
import { loadSeldom } from '../load-seldom.ts'

/** The same, loaded once a relay is in another run than one that acknowledged something. Where it cannot be fetched, the next change tries again. */
export function lazyAcknowledged(options: AcknowledgedOptions): Acknowledged {
  const { store, link } = options
  let loaded: Acknowledged | undefined
  let current: string | undefined

  return {
    check(epoch) {
      if (loaded) return loaded.check(epoch)
      if (epoch === current) return
      current = epoch
      if (!store.acknowledged(link.url).some(run => run.epoch !== epoch)) return
      loadSeldom().then(
        ({ createAcknowledged }) => {
          if (current === undefined) return
          loaded ??= createAcknowledged(options)
          loaded.check(current)
        },
        () => {
          current = undefined
        },
      )
    },
    stop() {
      current = undefined
      loaded?.stop()
    },
  }
}
