import { createMemoryStore } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { createReadiness, type HealthOptions } from '#dist/relay/health.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { ask, post } from './http-client.ts'
import { manualTime, startRelay } from './relay-on-test.ts'

const MIB = 1024 * 1024
const quick = { read: () => ({ p99Ms: 3, maxMs: 9 }) }
const readiness = (change: Partial<HealthOptions> = {}) =>
  createReadiness({
    ...manualTime(),
    store: createMemoryStore(),
    loopDelay: quick,
    freeBytes: async () => 64 * MIB,
    ...change,
  })

test('a relay on a disk tells that it lives and that it takes mail', async () => {
  const { url } = await startRelay({ data: tempDir() })
  const http = url.replace('ws:', 'http:')
  expect(await ask(`${http}/healthz`)).toMatchObject({ status: 200, body: 'ok\n' })
  const ready = await ask(`${http}/readyz`)
  expect(ready).toMatchObject({
    status: 200,
    body: { ready: true, checks: { store: { ok: true }, disk: { ok: true } } },
  })
  expect(ready.body.checks.store.detail).toMatch(/^written and synced in \d+ ms$/)
  expect(ready.body.checks.disk.detail).toMatch(/^\d+ MiB free$/)
  expect((await ask(`${http}/readyz`, { method: 'POST' })).status).toBe(405)
})

test('a full log is alive and not ready', async () => {
  const { url } = await startRelay({ data: tempDir(), maxLogBytes: 400_000, onError: () => {} })
  const http = url.replace('ws:', 'http:')
  const alice = person('alice')
  let answer = await ask(`${http}/healthz`)
  for (let n = 0; n < 40 && answer.status === 200; n += 1)
    answer = await post(http, alice.sign({ created_at: nowSeconds(), content: `${n}`.padEnd(20_000, 'x') }))
  expect(answer.status).toBe(507)
  const ready = await ask(`${http}/readyz`)
  expect(ready.status).toBe(503)
  expect(ready.body.checks.store).toEqual({ ok: false, detail: 'the last commit failed: SQLITE_FULL' })
  expect((await ask(`${http}/healthz`)).status).toBe(200)
})

test('each check alone decides', async () => {
  expect(await readiness()()).toMatchObject({ ready: true })
  expect(await readiness({ freeBytes: async () => 64 * MIB - 1 })()).toMatchObject({
    ready: false,
    checks: { disk: { ok: false, detail: '63 MiB free' }, store: { ok: true }, loop: { ok: true } },
  })
  const gone = async () => Promise.reject(Object.assign(new Error('/secret/path'), { code: 'ENOENT' }))
  expect((await readiness({ freeBytes: gone })()).checks.disk).toEqual({
    ok: false,
    detail: 'cannot be looked at: ENOENT',
  })
  expect((await readiness({ freeBytes: undefined })()).checks.disk.ok).toBe(true)
  const loop = (p99Ms: number) => readiness({ loopDelay: { read: () => ({ p99Ms, maxMs: p99Ms }) } })()
  expect((await loop(1_000)).ready).toBe(true)
  expect((await loop(1_001)).checks).toMatchObject({ loop: { ok: false }, store: { ok: true } })
})

test('a store that hangs is given up, asking often costs one look', async () => {
  const time = manualTime()
  let writes = 0
  const writeSetting = () => {
    writes += 1
    return new Promise<void>(() => {})
  }
  const look = createReadiness({ ...time, store: { writeSetting }, loopDelay: quick })
  const answers = [look(), look(), look()]
  await time.advance(5_000)
  for (const answer of await Promise.all(answers))
    expect(answer.checks.store).toEqual({ ok: false, detail: 'no write in 5 s' })
  expect(writes).toBe(1)
  look()
  expect(writes).toBe(2)
})
