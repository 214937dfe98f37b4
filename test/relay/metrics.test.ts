import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { METRICS } from '#dist/relay/metrics/table.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { ask } from './http-client.ts'
import { startRelay } from './relay-on-test.ts'
import { isFor } from './wire.ts'

const alice = person('alice')

/** name{labels} → value of Prometheus' text. */
const readMetrics = (text: string): Map<string, number> =>
  new Map(
    text
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => {
        const cut = line.lastIndexOf(' ')
        return [line.slice(0, cut), Number(line.slice(cut + 1))] as const
      }),
  )

test('after a scripted load every metric is there and says what happened', async () => {
  let backedUp = false
  const { relay, connect } = await startRelay({
    data: tempDir(),
    metrics: true,
    backups: { directory: tempDir(), everyMs: 3_600_000, keep: 1 },
    onBackup: () => {
      backedUp = true
    },
  })
  const url = await relay.listenMetrics({ host: '127.0.0.1', port: 0 })
  const [wire, other] = [await connect(), await connect()]
  await other.request('live', { kinds: [1] })
  const note = alice.sign({ created_at: nowSeconds() })
  await wire.publish(note)
  await other.find(([type]) => type === 'EVENT')
  wire.send('EVENT', note)
  await wire.find(isFor('OK', note.id))
  const forged = { ...alice.sign({ created_at: nowSeconds(), content: 'x' }), sig: note.sig }
  wire.send('EVENT', forged)
  await wire.find(isFor('OK', forged.id))
  await wire.request('kinds', { kinds: [1], authors: [alice.pubkey] })
  await wire.request('log', { since_seq: 0, limit: 10 })
  wire.send('COUNT', 'c', { '#t': ['x'] })
  await wire.find(isFor('COUNT', 'c'))
  await wire.request('search', { search: 'x' })
  wire.send('REQ', 'bad', { since_seq: 0, ids: [note.id] })
  await wire.find(isFor('CLOSED', 'bad'))
  wire.send('CLOSE', 'kinds')
  await wire.close()
  await expect.poll(() => relay.load.connections).toBe(1)
  await expect.poll(() => backedUp).toBe(true)

  const answer = await ask(url)
  expect(answer.headers.get('content-type')).toContain('version=0.0.4')
  const seen = readMetrics(answer.body)
  const value = (name: string) => seen.get(name) ?? Number.NaN
  expect(value('posthorn_connections')).toBe(1)
  expect(value('posthorn_connections_opened_total')).toBe(2)
  expect(value('posthorn_published_total{outcome="stored"}')).toBe(1)
  expect(value('posthorn_published_total{outcome="duplicate"}')).toBe(1)
  expect(value('posthorn_published_total{outcome="invalid"}')).toBe(1)
  expect(value('posthorn_committed_total{status="stored"}')).toBe(1)
  expect(value('posthorn_frames_received_total{type="EVENT"}')).toBe(3)
  expect(value('posthorn_closed_total{reason="invalid"}')).toBe(1)
  // One live, and one each for the two questions that had it.
  expect(value('posthorn_deliveries_total')).toBe(3)
  expect(value('posthorn_query_rows_total{shape="authors+kinds"}')).toBe(1)
  expect(value('posthorn_query_seconds_count{shape="count tags"}')).toBe(1)
  expect(value('posthorn_query_seconds_count{shape="search"}')).toBe(1)
  expect(value('posthorn_commit_batch_events_sum')).toBe(1)
  expect(value('posthorn_log_seq')).toBe(1)
  expect(value('posthorn_log_file_bytes{file="log.db"}')).toBeGreaterThan(0)
  expect(value('posthorn_ready{check="store"}')).toBe(1)
  expect(answer.body).toMatch(/posthorn_build_info\{version="[^"]+",verifier="[^"]+",epoch="[0-9a-f]{16}"\} 1/)
  for (const [name, { type, help }] of Object.entries(METRICS)) {
    expect(answer.body, name).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`)
    expect(answer.body, `${name} has a value`).toMatch(new RegExp(`^${name}(_count|_total)?(\\{[^\\n]*\\})? `, 'm'))
  }
})

const hasPromtool = spawnSync('promtool', ['--version']).status === 0
// A warning of its linter counts too, but for what the prom-client library names by itself.
test.skipIf(!hasPromtool)('promtool takes what it says (left out where promtool is not installed)', async () => {
  const { relay, connect } = await startRelay({ data: tempDir(), metrics: true })
  const wire = await connect()
  for (const event of [alice.sign({ created_at: nowSeconds() })]) await wire.publish(event)
  const text = (await relay.metrics()) ?? ''
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  const said = `${stdout}${stderr}`.split('\n').filter(line => line.startsWith('posthorn_') || line.startsWith('error'))
  expect(said).toEqual([])
})

test('names follow the conventions: base units, _total on counters and on nothing else', () => {
  for (const [name, { type, help }] of Object.entries(METRICS)) {
    expect(name).toMatch(/^posthorn_[a-z]+(_[a-z]+)*$/)
    expect(name.endsWith('_total'), name).toBe(type === 'counter')
    expect(name, name).not.toMatch(/_(ms|milliseconds|kb|mb|minutes)(_|$)/)
    expect(help.endsWith('.'), help).toBe(true)
  }
})

test('without the option nothing is told, and the main port never has it', async () => {
  const { relay, url } = await startRelay()
  expect(await relay.metrics()).toBeUndefined()
  await expect(relay.listenMetrics({ host: '127.0.0.1', port: 0 })).rejects.toThrow('metrics: true')
  const metered = await startRelay({ metrics: true })
  for (const main of [url, metered.url]) expect((await ask(`${main.replace('ws:', 'http:')}/metrics`)).status).toBe(404)
})

test('what a peer sends never becomes a name', async () => {
  const { relay, connect } = await startRelay({ metrics: true })
  const wire = await connect()
  for (let n = 0; n < 5; n += 1) wire.send(`MINE-${n}`, 'x')
  await wire.request('s', { kinds: [1] })
  expect(await relay.metrics()).toContain('posthorn_frames_received_total{type="other"} 5')
})
