import type { Clock } from '../../platform/clock.ts'
import type { Filter } from '../../protocol/filter.ts'
import type { Asker, PeerClass } from '../log/asker.ts'
import { countOf, sizeOf } from '../log/packed-page.ts'
import type { Commit, Store } from '../log/store.ts'

/** Told after each call, waiting included; `ms` of the monotonic clock. */
export interface StoreObserver {
  commit?(ms: number, commit: Commit): void
  /** `readerMs`: what it took of the reader's own time. `peer`: who asked. */
  query(ms: number, shape: string, rows: number, peer: PeerClass, readerMs: number): void
}

/** The store, with somebody told how long its answers take. Everything else, getters too, stays its own. */
export function timedStore(store: Store, clock: Clock, observer: StoreObserver): Store {
  const timed = async <T>(
    asker: Asker | undefined,
    shape: () => string,
    run: () => Promise<T>,
    rows: (answer: T) => number,
  ): Promise<T> => {
    const start = clock.monotonic()
    const before = asker?.readerMs ?? 0
    const answer = await run()
    const readerMs = (asker?.readerMs ?? 0) - before
    observer.query(clock.monotonic() - start, shape(), rows(answer), asker?.peer ?? 'relay', readerMs)
    return answer
  }
  const methods: Partial<Store> = {
    async append(...batch) {
      const start = clock.monotonic()
      const commit = await store.append(...batch)
      observer.commit?.(clock.monotonic() - start, commit)
      return commit
    },
    query: request =>
      timed(
        request.asker,
        () => shapeOf(request.filters.map(({ filter }) => filter)),
        () => store.query(request),
        countOf,
      ),
    readLog: request =>
      timed(
        request.asker,
        () => 'log',
        () => store.readLog(request),
        sizeOf,
      ),
    count: (filters, who) =>
      timed(
        who.asker,
        () => `count ${shapeOf(filters)}`,
        () => store.count(filters, who),
        () => 1,
      ),
    search: request =>
      timed(
        request.asker,
        () => 'search',
        () => store.search(request),
        ({ seqs }) => seqs.length,
      ),
    stubs: request =>
      timed(
        request.asker,
        () => 'reconcile',
        () => store.stubs(request),
        () => 1,
      ),
  }
  return Object.assign(Object.create(store) as Store, methods)
}

/** Which conditions a query has: `authors+kinds`, `tags`, `all`; never their values. */
export function shapeOf(filters: readonly Filter[]): string {
  const parts = new Set<string>()
  for (const { ids, authors, kinds, tags } of filters) {
    if (ids) parts.add('ids')
    if (authors) parts.add('authors')
    if (kinds) parts.add('kinds')
    if (tags && tags.size > 0) parts.add('tags')
  }
  return parts.size === 0 ? 'all' : [...parts].sort().join('+')
}
