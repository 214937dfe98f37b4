import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { LogReader } from '#dist/relay/log/sqlite/reader.js'
import { LogWriter } from '#dist/relay/log/sqlite/writer.js'
import { tempDir } from '../helpers/temp-dir.ts'
import { ALICE, BOB, logRequest, NOW, unsigned } from './unsigned.ts'

const SLOTS = 128
const KIND = 34_701

test('a ring that is written again and again stays as small as it is; readers are told from where its removals are whole', () => {
  const file = join(tempDir(), 'log.db')
  const writer = new LogWriter(file)
  const reader = new LogReader(file)
  onTestFinished(() => reader.close())
  const write = (from: number, count: number, pubkey = ALICE) => {
    const events = Array.from({ length: count }, (_, index) => {
      const n = from + index
      const tags = [['d', `state:${n % SLOTS}`]]
      return unsigned({ kind: KIND, pubkey, created_at: 1_000 + n, tags, content: `delta ${n}` })
    })
    for (let at = 0; at < count; at += 500) writer.append(events.slice(at, at + 500), NOW * 1000)
  }
  write(0, 256, BOB)
  const early = writer.last
  write(0, 12_000)
  const db = new (loadDriver())(file, { readonly: true })
  const bytes = Number(db.prepare('SELECT sum(length(target) + length(address)) FROM removals').pluck().get())
  db.close()
  expect(bytes).toBeLessThan(600_000)
  const asked = (gone: boolean, after: number) => reader.readLog(logRequest([{ kinds: [KIND] }], after, { gone }))
  expect(asked(true, early).floor).toBeGreaterThan(early)
  expect(asked(false, early).floor).toBe(1)
  expect(reader.readLog(logRequest([{ kinds: [1] }], early)).floor).toBe(1)
  // What is still told is exact: each slot's present event, and none that is gone.
  const { floor } = asked(true, early)
  write(12_000, 300)
  const held = new Map<string, string>()
  for (let after = floor - 1; ; ) {
    const batch = asked(true, after)
    for (const row of batch.entries)
      if (row.op === 'stored') held.set((JSON.parse(row.json) as { id: string }).id, row.json)
      else held.delete(row.target)
    after = batch.upTo
    if (after >= batch.last) break
  }
  expect(held.size).toBe(SLOTS)
  writer.close()
  expect(statSync(file).size).toBeLessThan(1_048_576)
})
