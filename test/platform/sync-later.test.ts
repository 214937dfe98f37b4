import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDatabase } from '#dist/platform/sqlite.js'
import { createSyncLater } from '#dist/platform/sync-later.js'
import { tempDir } from '../helpers/temp-dir.ts'

const FULL = 2
const NORMAL = 1

function scene(at = (path: string) => path) {
  const path = join(tempDir(), 'file.db')
  const db = openDatabase(path, { applicationId: 7, migrations: ['CREATE TABLE t (n INTEGER)'] })
  const later = createSyncLater(db, at(path))
  const level = () => Number(db.pragma('synchronous', { simple: true }))
  const insert = (n: number) => db.prepare('INSERT INTO t VALUES (?)').run(n)
  return { db, later, level, insert }
}

test('what has to be on the disk at once is, the rest when somebody asks', async () => {
  const { db, later, level, insert } = scene()
  let during = 0
  const careful = later.synced((n: number) => {
    during = level()
    return insert(n).changes
  })
  expect(careful(1)).toBe(1)
  expect([during, level()]).toEqual([FULL, NORMAL])
  await later.durable()
  insert(2)
  const [first, second] = [later.durable(), later.durable()]
  expect(second).toBe(first)
  insert(3)
  await Promise.all([first, later.durable()])
  const nothing = later.durable()
  expect(later.durable()).toBe(nothing)
  await nothing
  later.close()
  db.close()
})

test('a failed write leaves the level as it was', () => {
  const { db, later, level } = scene()
  const failing = later.synced(() => {
    throw new Error('disk full')
  })
  expect(failing).toThrow('disk full')
  expect(level()).toBe(NORMAL)
  db.close()
})

test('whoever asks is told that nothing could be flushed, and asks again', async () => {
  const { db, later, insert } = scene(path => `${path}-elsewhere`)
  insert(1)
  await expect(later.durable()).rejects.toThrow('ENOENT')
  await expect(later.durable()).rejects.toThrow('ENOENT')
  later.close()
  db.close()
})

test('closed under a flush it is flushed all the same', async () => {
  const { db, later, insert } = scene()
  insert(1)
  const flushed = later.durable()
  later.close()
  await flushed
  db.close()
})
