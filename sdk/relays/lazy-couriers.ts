import { UNREACHED } from '../link/questions.ts'
import { loadSeldom } from '../load-seldom.ts'
import type { Addressed, Couriers, CouriersOptions } from './couriers.ts'

/** Couriers that are loaded once something is for a foreign relay. Where they cannot be fetched, the next kick tries again. */
export function lazyCouriers(options: CouriersOptions): Couriers {
  const { store, own } = options
  let couriers: Couriers | undefined
  let loading: Promise<Couriers | undefined> | undefined
  /** What was addressed meanwhile. */
  let early: Addressed[] = []
  let closed = false

  const isForeign = (url: string) => !own.includes(url)

  function load(): Promise<Couriers | undefined> {
    loading ??= loadSeldom()
      .then(({ createCouriers }) => {
        if (closed) return undefined
        couriers = createCouriers(options)
        for (const addressed of early) couriers.kick(addressed)
        early = []
        return couriers
      })
      .finally(() => {
        loading = undefined
      })
    return loading
  }

  const loadNow = () => void load().catch(() => {})

  if ([...store.waitingRelays(), ...store.unheard()].some(isForeign)) loadNow()
  return {
    kick(addressed) {
      if (couriers) couriers.kick(addressed)
      else if (!closed && [...(addressed?.keys() ?? [])].some(isForeign)) {
        if (addressed) early.push(addressed)
        loadNow()
      }
    },
    publish: async (url, event, to) =>
      (couriers ?? (await load().catch(() => undefined)))?.publish(url, event, to) ?? UNREACHED,
    mayDeliver: url => couriers?.mayDeliver(url) ?? true,
    get isFlushed() {
      return couriers?.isFlushed ?? loading === undefined
    },
    async close() {
      closed = true
      await couriers?.close()
    },
  }
}
