// What the relay is meant to reach, and which figure of a run answers it. `atMost`/`atLeast` are per rule, all must hold.

/** The median over the rounds of one figure. `pick` reads it from a result. */
export function median(results, target, scenario, title, pick) {
  const values = results
    .filter(result => result.target === target && result.scenario === scenario && matches(title, result.case))
    .map(pick)
    .filter(value => typeof value === 'number' && Number.isFinite(value))
    .sort((a, b) => a - b)
  return values.length === 0 ? undefined : values[Math.floor((values.length - 1) / 2)]
}

const matches = (title, name) => (title instanceof RegExp ? title.test(name) : title === name)
const rate = result => result.perSecond

/** Each row: which targets it is for, and its rules. The first rule's figure is the one compared with the peers. */
export const ROWS = [
  {
    what: 'durable ingest, WASM',
    for: ({ tier }) => tier === 'wasm',
    rules: [
      { scenario: 'ingest', title: 'closed', pick: rate, unit: 'events/s', atLeast: 3_500 },
      { scenario: 'ingest', title: 'closed', pick: ({ latencyMs }) => latencyMs?.p99, unit: 'ms p99', atMost: 50 },
    ],
  },
  {
    what: 'durable ingest, native verify',
    for: ({ tier }) => tier === 'native',
    rules: [
      { scenario: 'ingest', title: 'closed', pick: rate, unit: 'events/s', atLeast: 11_000 },
      { scenario: 'ingest', title: 'closed', pick: ({ latencyMs }) => latencyMs?.p99, unit: 'ms p99', atMost: 40 },
    ],
  },
  {
    what: 'durable ingest, noble (no target of its own)',
    for: ({ tier }) => tier === 'noble' || tier === undefined,
    rules: [
      { scenario: 'ingest', title: 'closed', pick: rate, unit: 'events/s' },
      { scenario: 'ingest', title: 'closed', pick: ({ latencyMs }) => latencyMs?.p99, unit: 'ms p99' },
    ],
  },
  {
    what: 'stored query, latest 100',
    rules: [{ scenario: 'query', title: 'latest 100', pick: rate, unit: 'events/s', atLeast: 150_000 }],
  },
  {
    what: 'backfill in log order',
    rules: [{ scenario: 'backfill', title: 'in log order', pick: rate, unit: 'events/s', atLeast: 300_000 }],
    peerTitle: 'by time',
  },
  {
    what: 'fan-out, 200 subscribers',
    rules: [{ scenario: 'fanout', title: 'burst', pick: rate, unit: 'messages/s', atLeast: 200_000 }],
  },
  {
    what: '10,000 idle connections',
    lessIsBetter: true,
    rules: [{ scenario: 'connections', title: 'idle', pick: ({ rssMb }) => rssMb, unit: 'MB', atMost: 150 }],
    enough: ({ connections }) => connections >= 9_900,
  },
  {
    what: 'waking to 10,000 messages, WASM',
    rules: [
      {
        scenario: 'waking',
        title: /messages, wasm/,
        pick: ({ shareOfVerifier }) => shareOfVerifier,
        unit: 'of the verifier’s speed',
        atLeast: 0.8,
      },
      { scenario: 'waking', title: /messages, wasm/, pick: rate, unit: 'messages/s' },
    ],
  },
  {
    what: 'waking to 10,000 messages, native verify (no target of its own)',
    rules: [
      { scenario: 'waking', title: /messages, native/, pick: rate, unit: 'messages/s' },
      {
        scenario: 'waking',
        title: /messages, native/,
        pick: ({ shareOfVerifier }) => shareOfVerifier,
        unit: 'of the verifier’s speed',
      },
    ],
  },
  {
    what: 'state: one small change, framed',
    lessIsBetter: true,
    rules: [
      {
        scenario: 'state',
        title: 'one small change',
        pick: ({ bytesPerChange }) => bytesPerChange,
        unit: 'bytes',
        atMost: 450,
      },
      {
        scenario: 'state',
        title: 'one small change',
        pick: ({ deflatedPerChange }) => deflatedPerChange,
        unit: 'bytes if deflated',
        atMost: 170,
      },
    ],
  },
  {
    what: 'state: 500 writes over 8 keys',
    lessIsBetter: true,
    rules: [{ scenario: 'state', title: /writes over/, pick: rate, unit: 'events', atMost: 1 }],
  },
  {
    what: 'state: changes behind the snapshot',
    lessIsBetter: true,
    rules: [
      { scenario: 'state', title: 'one small change', pick: ({ mostTail }) => mostTail, unit: 'events', atMost: 64 },
    ],
  },
  {
    what: 'state: waking over 2,000 changes, WASM',
    lessIsBetter: true,
    rules: [
      { scenario: 'state', title: /^waking/, pick: ({ wakeKb }) => wakeKb, unit: 'KB', atMost: 50 },
      { scenario: 'state', title: /^waking/, pick: ({ wakeMs }) => wakeMs, unit: 'ms', atMost: 50 },
    ],
  },
  {
    what: 'state: a record after 100,000 writes',
    lessIsBetter: true,
    rules: [{ scenario: 'state', title: /^a record/, pick: rate, unit: '× its JSON', atMost: 2 }],
  },
]

/** Whether a figure holds a rule: true, false, or undefined if there is nothing to hold. */
export function holds({ atLeast, atMost }, figure) {
  if (figure === undefined || (atLeast === undefined && atMost === undefined)) return undefined
  return (atLeast === undefined || figure >= atLeast) && (atMost === undefined || figure <= atMost)
}
