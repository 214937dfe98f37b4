import { type OpenTelemetryApi, type RunInSpan, spansThrough } from '../../platform/otel.ts'
import type { Verifier } from '../../platform/verifier.ts'
import type { Store } from '../log/store.ts'
import { shapeOf } from './timed-store.ts'

/** Of OpenTelemetry's SpanKind: inside this program. */
const INTERNAL = 0

export interface Traced {
  readonly store: Store
  readonly verifier: Verifier
}

/**
 * Spans around what a relay waits for: `verify`, `commit` and `query`, with sizes and shapes, never with a value of an event or a filter. Batches
 * belong to many senders, so these begin traces of their own.
 */
export function traced({ store, verifier }: Traced, api: OpenTelemetryApi): Traced {
  const run = spansThrough(api, 'posthorn.relay')
  return { store: tracedStore(store, run), verifier: tracedVerifier(verifier, run) }
}

function tracedVerifier(verifier: Verifier, run: RunInSpan): Verifier {
  const methods: Pick<Verifier, 'verify'> = {
    verify: events =>
      run(
        {
          name: 'verify',
          kind: INTERNAL,
          attributes: { 'posthorn.events': events.length, 'posthorn.verifier': verifier.tier },
        },
        () => verifier.verify(events),
      ),
  }
  return Object.assign(Object.create(verifier) as Verifier, methods)
}

function tracedStore(store: Store, run: RunInSpan): Store {
  const query = <T>(shape: string, ask: () => Promise<T>, rows: (answer: T) => number): Promise<T> =>
    run({ name: 'query', kind: INTERNAL, attributes: { 'posthorn.shape': shape } }, async span => {
      const answer = await ask()
      span.setAttribute('posthorn.rows', rows(answer))
      return answer
    })
  const methods: Partial<Store> = {
    append: (events, nowMs) =>
      run({ name: 'commit', kind: INTERNAL, attributes: { 'posthorn.events': events.length } }, async span => {
        const commit = await store.append(events, nowMs)
        span.setAttribute('posthorn.seq', commit.last)
        return commit
      }),
    query: request =>
      query(
        shapeOf(request.filters.map(({ filter }) => filter)),
        () => store.query(request),
        ({ events }) => events.length,
      ),
    readLog: request =>
      query(
        'log',
        () => store.readLog(request),
        ({ entries }) => entries.length,
      ),
    count: (filters, who) =>
      query(
        `count ${shapeOf(filters)}`,
        () => store.count(filters, who),
        () => 1,
      ),
    search: request =>
      query(
        'search',
        () => store.search(request),
        ({ seqs }) => seqs.length,
      ),
  }
  return Object.assign(Object.create(store) as Store, methods)
}
