import { join } from 'node:path'
import { openSqliteStore } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { OWN_ROWS_SQL, VANISHING_REMOVALS_SQL, WRAP_ROWS_SQL } from '#dist/relay/log/sqlite/vanishing.js'
import { LogWriter } from '#dist/relay/log/sqlite/writer.js'
import { tempDir } from '../helpers/temp-dir.ts'
import { ALICE, BOB, filter, hex64, logRequest, NOW, unsigned } from './unsigned.ts'

const vanish = (pubkey: string, created_at: number) =>
  unsigned({ kind: 62, pubkey, created_at, tags: [['relay', 'ALL_RELAYS']] })

test('what a request to vanish takes is found by index, and nothing else is looked at', () => {
  const file = join(tempDir(), 'log.db')
  const writer = new LogWriter(file)
  onTestFinished(() => writer.close())
  const db = new (loadDriver())(file, { readonly: true })
  onTestFinished(() => {
    db.close()
  })
  for (const sql of [OWN_ROWS_SQL, WRAP_ROWS_SQL, VANISHING_REMOVALS_SQL]) {
    const params = new Array((sql.match(/\?/g) ?? []).length).fill(1)
    const plan = (db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(params) as { detail: string }[]).map(row => row.detail)
    expect(plan.join('\n')).toMatch(/SEARCH/)
    expect(plan.join('\n')).not.toMatch(/SCAN|TEMP/)
  }
})

test('a key of which nothing is stored leaves nothing, and is answered', async () => {
  const dir = tempDir()
  const store = await openSqliteStore(dir)
  await store.append([unsigned({ created_at: 10 })], NOW)
  const { last } = store.head
  for (let n = 0; n < 20; n += 1) {
    const { outcomes, entries } = await store.append([vanish(hex64(`fresh ${n}`), 5_000)], NOW)
    expect(outcomes).toEqual([{ status: 'unneeded' }])
    expect(entries).toEqual([])
  }
  // Something later than the request is not concerned by it.
  expect((await store.append([vanish(ALICE, 9)], NOW)).outcomes).toEqual([{ status: 'unneeded' }])
  expect(store.head.last).toBe(last)
  expect((await store.append([vanish(ALICE, 10)], NOW)).outcomes).toMatchObject([{ status: 'stored' }])
  await store.close()
})

test('a key whose events are all removed leaves what is remembered of them', async () => {
  const store = await openSqliteStore(tempDir())
  const note = unsigned({ pubkey: BOB, created_at: 10, kind: 10_002 })
  await store.append([note], NOW)
  await store.remove([note.id], NOW)
  expect((await store.append([vanish(BOB, 20)], NOW)).outcomes).toMatchObject([{ status: 'stored' }])
  const { entries } = await store.readLog(logRequest([{ authors: [BOB] }]))
  expect(entries.map(({ op }) => op)).toEqual(['stored', 'vanished'])
  await store.close()
})

test('of a key that wrote much, most goes in batches, between which others commit', async () => {
  const store = await openSqliteStore(tempDir())
  const mine = Array.from({ length: 2_600 }, (_, n) => unsigned({ pubkey: BOB, kind: n % 3, created_at: 10 + n }))
  const wraps = Array.from({ length: 700 }, (_, n) =>
    unsigned({ kind: 1059, pubkey: hex64(`throwaway ${n}`), tags: [['p', BOB]], created_at: 10 + n }),
  )
  await store.append([...mine, ...wraps], NOW)
  const later = unsigned({ pubkey: BOB, created_at: 90_000 })
  await store.append([later, unsigned({ created_at: 10 })], NOW)
  const order: string[] = []
  const cleared = store.clearVanishing?.(BOB, 50_000).then(() => order.push('cleared'))
  await store.append([unsigned({ created_at: 11 })], NOW).then(() => order.push('committed'))
  await cleared
  expect(order).toEqual(['committed', 'cleared'])
  const left = await store.count([filter({ authors: [BOB] })], { keys: [], now: NOW })
  expect(left).toBeLessThan(502)
  await store.append([vanish(BOB, 50_000)], NOW)
  expect(await store.count([filter({ authors: [BOB] })], { keys: [], now: NOW })).toBe(2)
  expect(await store.count([filter({ kinds: [1059] })], { keys: [BOB], now: NOW })).toBe(0)
  await store.close()
})
