import { expect, test } from 'vitest'
import { createPaint } from '#dist/cli/output.js'
import { figuresOf, type Look } from '#dist/cli/top/look.js'
import { parseMetrics } from '#dist/cli/top/metrics.js'
import { topPage } from '#dist/cli/top/page.js'
import { readStats } from '#dist/cli/top/stats.js'

const epoch = '0123456789abcdef'
const stats = (last: number) =>
  readStats({
    connections: 3,
    subscriptions: 12,
    uptimeS: 3_725,
    head: { epoch, last },
    log: { everyS: 10, samples: [0, 50, 100] },
  })

const metrics = (published: number, slow: number) =>
  parseMetrics(`# HELP x y
posthorn_published_total{outcome="stored"} ${published}
posthorn_published_total{outcome="duplicate"} 5
posthorn_commit_seconds_bucket{le="0.001"} ${published}
posthorn_commit_seconds_bucket{le="0.1"} ${published + slow}
posthorn_commit_seconds_bucket{le="+Inf"} ${published + slow}
posthorn_wills 2
junk line`)

function look(at: number, last: number, published: number, slow = 0): Look {
  const read = stats(last)
  if (read === undefined) throw new Error('no stats')
  return { at, answerMs: 1.25, stats: read, metrics: metrics(published, slow) }
}

test('rates and latencies are those between two looks, and nothing is invented after a restart', () => {
  const figures = figuresOf(look(0, 100, 1_000), look(2_000, 300, 1_098, 2))
  expect(figures).toMatchObject({ logRate: 100, published: 49, commit: { p50: 0.001, p99: 0.1 }, wills: 2 })
  const first = figuresOf(undefined, look(0, 100, 1_000))
  expect(first).toMatchObject({ logRate: 10, commit: { p50: 0.001, p99: 0.001 } })
  expect(first.published).toBeUndefined()
  const restarted = look(4_000, 0, 3)
  const fresh = { ...restarted, stats: { ...restarted.stats, head: { epoch: 'f'.repeat(16), last: 0 } } }
  expect(figuresOf(look(0, 100, 1_000), fresh).published).toBeUndefined()
})

test('what is no Posthorn relay tells no numbers', () => {
  for (const other of [undefined, [], {}, { connections: -1 }, { ...stats(1), head: { epoch: '\u001b[2J', last: 1 } }])
    expect(readStats(other)).toBeUndefined()
})

test('the page: what others say of themselves cannot steer the terminal', () => {
  const now = look(2_000, 300, 1_098, 2)
  const page = topPage(
    {
      relay: 'ws://x\u001b[2J',
      look: now,
      figures: figuresOf(undefined, now),
      roster: { awake: 1, asleep: 1, agents: [{ name: 'bob', isAwake: true, doing: '' }] },
    },
    createPaint(false),
  )
  expect(page).toMatch(/^[\n -~▁-█●○≤]+$/u)
  expect(page).toContain('up for         1 h 2 min')
  expect(page).toContain('commit         half in ≤ 1 ms, 99 % in ≤ 1 ms')
  expect(page).toContain('● 1 awake')
})
