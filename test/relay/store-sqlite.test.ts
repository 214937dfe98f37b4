import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LockedError, openSqliteStore } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { tempDir } from '../helpers/temp-dir.ts'
import { filter, logRequest, NOW, queryRequest, unsigned } from './unsigned.ts'

test('one relay per folder; free again after close', async () => {
  const dir = tempDir()
  const store = await openSqliteStore(dir)
  await expect(openSqliteStore(dir)).rejects.toThrow(LockedError)
  await store.close()
  await (await openSqliteStore(dir)).close()
})

test('what was committed is there after reopening: rows, removals, counter, marks, deletions, epochs', async () => {
  const dir = join(tempDir(), 'made', 'deep')
  const first = await openSqliteStore(dir)
  await first.startEpoch(1_000, 1)
  const kept = unsigned({ tags: [['t', 'x\0y']] })
  const gone = unsigned()
  const old = unsigned({ kind: 10_001, created_at: 10 })
  const young = unsigned({ kind: 10_001, created_at: 11, tags: [['expiration', String(NOW)]] })
  await first.append([kept, gone, young], NOW)
  await first.append([unsigned({ kind: 5, tags: [['e', gone.id]] })], NOW) // 4, removal 5
  await first.sweepExpired(NOW)
  await first.close()

  const store = await openSqliteStore(dir)
  expect(store.head.last).toBe(5)
  expect(store.epochs).toHaveLength(1)
  await store.startEpoch(1_000, 1)
  expect(store.epochs.map(({ start }) => start)).toEqual([0, 5])
  const { outcomes } = await store.append([gone, old, kept, unsigned()], NOW)
  expect(outcomes.map(({ status }) => status)).toEqual(['refused', 'refused', 'duplicate', 'stored'])
  expect(outcomes.at(-1)).toMatchObject({ seq: 6 })
  expect((await store.query(queryRequest([{ '#t': ['x\0y'] }]))).events).toHaveLength(1)
  expect((await store.readLog(logRequest([{}]))).entries.map(({ op, seq }) => [op, seq])).toEqual([
    ['stored', 1],
    ['stored', 4],
    ['deleted', 5],
    ['stored', 6],
  ])
  expect(await store.count([filter({})], { keys: [], now: NOW })).toBe(3)
  await store.close()
})

test('after close the log is one whole file, whichever thread ends first', async () => {
  for (let round = 0; round < 8; round++) {
    const dir = tempDir()
    const store = await openSqliteStore(dir)
    await store.append([unsigned()], NOW)
    // The later the reader gets to its close, the likelier it was the last one.
    const busy = Array.from({ length: round * 4 }, () => store.query(queryRequest([{}])))
    await Promise.all([store.close(), ...busy])
    expect(existsSync(join(dir, 'log.db-wal'))).toBe(false)
  }
})

test('the log is readable by its owner only', async () => {
  const dir = tempDir()
  const store = await openSqliteStore(dir)
  expect(statSync(join(dir, 'log.db')).mode & 0o077).toBe(0)
  await store.close()
})

test('calls after close are refused, not left hanging', async () => {
  const store = await openSqliteStore(tempDir())
  await store.startEpoch(1, 1)
  await store.close()
  await expect(store.append([unsigned()], NOW)).rejects.toThrow()
  await expect(store.count([filter({})], { keys: [], now: NOW })).rejects.toThrow()
})

test('threads kept from a closed log serve the next one, and nothing of the old', async () => {
  const [one, two] = [tempDir(), tempDir()]
  const first = await openSqliteStore(one)
  const event = unsigned()
  await first.append([event], NOW)
  await first.close()
  await expect(first.append([unsigned()], NOW)).rejects.toThrow('the thread has ended')

  const second = await openSqliteStore(two)
  expect(second.head.last).toBe(0)
  expect(await second.seqsOf([event.id])).toEqual([undefined])
  await second.close()

  const again = await openSqliteStore(one)
  expect(await again.seqsOf([event.id])).toEqual([1])
  await again.close()
})

test('a log that cannot be opened takes its thread along; the next one opens', async () => {
  const dir = tempDir()
  writeFileSync(
    join(dir, 'log.db'),
    'no database, only words that are longer than a header of one hundred bytes must be, so that they are read as one',
  )
  await expect(openSqliteStore(dir)).rejects.toMatchObject({ name: 'DatabaseError' })
  await (await openSqliteStore(tempDir())).close()
})
