import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { IndexPages } from '#dist/relay/log/sqlite/index-pages.js'
import { MAX_RANK } from '#dist/relay/log/sqlite/keys.js'
import { LANE_SQL } from '#dist/relay/log/sqlite/lanes.js'
import { LogReader } from '#dist/relay/log/sqlite/reader.js'
import { Statements } from '#dist/relay/log/sqlite/statements.js'
import { LogWriter } from '#dist/relay/log/sqlite/writer.js'
import { tempDir } from '../helpers/temp-dir.ts'
import { NOW, queryRequest, unsigned } from './unsigned.ts'

function open() {
  const file = join(tempDir(), 'log.db')
  const writer = new LogWriter(file)
  onTestFinished(() => writer.close())
  const add = (count: number) => {
    const events = Array.from({ length: count }, () => unsigned({ kind: 7 }))
    writer.append(events, NOW * 1000)
    return events.map(({ id }) => id)
  }
  return { file, writer, add }
}

test('what was read of an index is not believed once somebody has written', () => {
  const { file, writer, add } = open()
  const [first = ''] = add(3)
  const reader = new LogReader(file)
  onTestFinished(() => reader.close())
  const ask = () => reader.query(queryRequest([{ kinds: [7] }])).events.map(json => JSON.parse(json).id as string)
  expect(ask()).toHaveLength(3)
  expect(ask()).toHaveLength(3)
  const [newest = ''] = add(1)
  expect(ask()).toHaveLength(4)
  expect(ask()[0]).toBe(newest)
  writer.remove([first], NOW * 1000)
  expect(ask()).toHaveLength(3)
  expect(ask()).not.toContain(first)
})

test.each([0, 2, 9, 10, 100])('with room for %d entries every page is right, and read once if it fits', most => {
  const { file, add } = open()
  add(9)
  const Driver = loadDriver()
  const db = new Driver(file, { readonly: true })
  onTestFinished(() => {
    db.close()
  })
  const pages = new IndexPages(new Statements(db), most)
  const lane = { sql: LANE_SQL.kind, prefix: [7] }
  const read = (limit: number) => pages.open()(lane, NOW, MAX_RANK, 0, limit)
  expect(read(9).map(([, , seq]) => seq)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1])
  for (const limit of [9, 1]) {
    const once = read(limit)
    expect(read(limit) === once).toBe(most > limit)
  }
  expect(read(2).map(([, , seq]) => seq)).toEqual([9, 8])
})
