import { expect, test } from 'vitest'
import { benchModule } from './modules.ts'

const { toMarkdown } = await benchModule('report/markdown.mjs')
const { readOptions } = await benchModule('options.mjs')

const RUN = {
  v: 1,
  date: '2026-01-02T03:04:05.000Z',
  commit: 'c'.repeat(40),
  changed: false,
  command: 'npm run bench',
  seconds: 700,
  node: 'v22.0.0',
  machine: { cpu: 'a processor', cores: 2, memoryGb: 8, system: 'linux', loadBefore: 0.1, dataInMemory: false },
  options: { quick: false, rounds: 3 },
  targets: [
    { name: 'posthorn (wasm)', kind: 'posthorn', tier: 'wasm', version: '1.0.0' },
    { name: 'other', kind: 'external' },
  ],
  missing: [{ target: 'other', scenario: 'query', round: 1, why: 'connection lost' }],
}
const ingest = (target: string, round: number, perSecond: number, p99: number) => ({
  target,
  scenario: 'ingest',
  case: 'closed',
  round,
  unit: 'events/s',
  operations: 100,
  perSecond,
  serverCpuUsPerOperation: target === 'other' ? 2_000 : 100,
  latencyMs: { p50: 1, p90: 2, p99, max: 9 },
})
const lineOf = (text: string, start: string) => text.split('\n').find(line => line.startsWith(start))

test('the median of the rounds meets a target or does not, every rule of a row counts, and the peer is of the same run', () => {
  const report = (p99: number) =>
    toMarkdown({
      ...RUN,
      results: [
        ingest('posthorn (wasm)', 0, 9_000, p99),
        ingest('posthorn (wasm)', 1, 4_000, p99),
        ingest('posthorn (wasm)', 2, 3_000, p99),
        ingest('other', 0, 400, 1_400),
      ],
    })
  expect(lineOf(report(40), '| durable ingest, WASM')).toBe(
    '| durable ingest, WASM | posthorn (wasm) | ≥ 3,500 events/s, ≤ 50 ms p99 | 4,000 events/s, 40 ms p99 | 100 | 10× (400, CPU 20×) | met |',
  )
  expect(lineOf(report(51), '| durable ingest, WASM')).toContain('| **not met** |')
})

test('what was not measured has no row and is told', () => {
  const text = toMarkdown({ ...RUN, results: [ingest('other', 0, 400, 1_400)] })
  expect(lineOf(text, '| durable ingest')).toBeUndefined()
  expect(text).toContain('- other, query (round 2): connection lost')
})

test('a quick run decides nothing', () => {
  const text = toMarkdown({
    ...RUN,
    options: { quick: true, rounds: 1 },
    results: [ingest('posthorn (wasm)', 0, 9_000, 1)],
  })
  expect(lineOf(text, '| durable ingest, WASM')).toMatch(/\| – \|$/)
})

test.each([
  [['--only', 'ingest,nothing'], '--only knows'],
  [['--rounds', '0'], '--rounds takes'],
  [['--peer', 'strfry'], '--peer takes NAME=VALUE'],
  [['--peer', 'x=wss://elsewhere'], 'ws:// only'],
  [['--events', '10'], 'at least 200'],
])('%j is refused', (argv, message) => {
  expect(() => readOptions(argv)).toThrow(message)
})

test('only a whole run of full size is what a published table is made of', () => {
  expect(readOptions([])).toMatchObject({ full: true, rounds: 3, peers: ['nostr-relay', 'y-websocket'] })
  expect(readOptions(['--peer', 'strfry=ws://127.0.0.1:7777', '--peer-pid', 'strfry=12'])).toMatchObject({
    full: true,
    externals: [{ name: 'strfry', url: 'ws://127.0.0.1:7777', pid: 12 }],
  })
  for (const argv of [['--quick'], ['--only', 'query'], ['--tiers', 'noble']])
    expect(readOptions(argv).full).toBe(false)
})
