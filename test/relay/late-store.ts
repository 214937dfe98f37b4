import type { Store } from 'posthorn/relay'

/** The same store, whose reads for subscriptions have seen the log when asked but answer when `late` lets them: commits overtake them. */
export function lateStore(inner: Store, late: () => Promise<unknown>): Store {
  const reads: Pick<Store, 'readLog' | 'query'> = {
    async readLog(request) {
      const batch = await inner.readLog(request)
      await late()
      return batch
    },
    async query(request) {
      const page = await inner.query(request)
      await late()
      return page
    },
  }
  // Whatever else a store can do is done by the one inside.
  return new Proxy(inner, {
    get(store, name) {
      if (name === 'readLog' || name === 'query') return reads[name]
      const value: unknown = Reflect.get(store, name, store)
      return typeof value === 'function' ? value.bind(store) : value
    },
  })
}

/** A door for `late`: closed until opened. */
export function door(): { pass: () => Promise<void>; readonly waiting: number; open(): void; shut(): void } {
  let shut = false
  const waiting: (() => void)[] = []
  return {
    pass: () => (shut ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve()),
    get waiting() {
      return waiting.length
    },
    open() {
      shut = false
      for (const go of waiting.splice(0)) go()
    },
    shut() {
      shut = true
    },
  }
}
