import { join } from 'node:path'
import { openSqliteStore } from 'posthorn/relay'
import { beforeAll, describe, expect, test } from 'vitest'
import { addFunctions, type Database } from '#dist/platform/sqlite.js'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { ID_SQL, LANE_SQL, lanesOf, NEXT_KIND_SQL, sampleSql, spanOf } from '#dist/relay/log/sqlite/lanes.js'
import { AUTHOR_SEQS_SQL, LOG_KINDS_SQL, LOG_SQL, MAIL_SQL, TAG_SEQS_SQL } from '#dist/relay/log/sqlite/log-rows.js'
import { countPlan } from '#dist/relay/log/sqlite/plan.js'
import { ROWS_SQL } from '#dist/relay/log/sqlite/rows.js'
import { LOG_FUNCTIONS, LOG_MIGRATIONS } from '#dist/relay/log/sqlite/schema.js'
import { SEGMENT_COUNT_SQL, SEGMENT_SQL } from '#dist/relay/log/sqlite/segments.js'
import { Statements } from '#dist/relay/log/sqlite/statements.js'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'
import { ALICE, BOB, filter, NOW, unsigned } from './unsigned.ts'

const Driver = loadDriver()
let db: Database
/** Without rows and statistics, as SQLite sees a log that was never closed. */
const fresh = new Driver(':memory:')
addFunctions(fresh, LOG_FUNCTIONS)
for (const sql of LOG_MIGRATIONS) fresh.exec(sql)

beforeAll(async () => {
  const dir = makeTempDir()
  const store = await openSqliteStore(dir)
  await store.append(
    Array.from({ length: 400 }, (_, n) =>
      unsigned({ kind: n % 3, pubkey: n < 390 ? ALICE : BOB, tags: [['p', n % 2 === 0 ? ALICE : BOB]] }),
    ),
    NOW,
  )
  // Closing gathers statistics, by which SQLite might choose otherwise.
  await store.close()
  db = new Driver(join(dir, 'log.db'), { readonly: true })
  return () => {
    db.close()
    removeDir(dir)
  }
})

/** SQLite's plan, a step a line; parameters play no part in it. */
const planOf = (sql: string, params: readonly unknown[] = sql.match(/\?/g)?.map(() => 1) ?? [], on = db): string =>
  (on.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[])
    .map(({ detail }) => detail)
    .join('\n')

const RANGE = String.raw`\(created_at,rank\)<\(\?,\?\)`

describe('every shape of query is read along an index that has its order', () => {
  test.each<[string, string, RegExp]>([
    ['newest of all', LANE_SQL.time, /^SEARCH events USING COVERING INDEX events_time \(created_at>\?/],
    ['newest of a kind', LANE_SQL.kind, /^SEARCH events USING COVERING INDEX events_kind \(kind=\? AND /],
    [
      'newest of an author and kind',
      LANE_SQL.author,
      /^SEARCH events USING COVERING INDEX events_author \(author=\? AND kind=\? AND /,
    ],
    ['newest with a tag', LANE_SQL.tag, /^SEARCH tags USING PRIMARY KEY \(key=\? AND /],
    ['by id', ID_SQL, /^SEARCH events USING INDEX events_id \(rank=\?\)$/],
    ['the kinds of an author', NEXT_KIND_SQL, /COVERING INDEX events_author \(author=\? AND kind>\?\)$/],
    [
      'authors of what is new',
      sampleSql(LANE_SQL.time),
      /COVERING INDEX events_time .*\n.*SEARCH e USING INTEGER PRIMARY KEY/s,
    ],
    ['rows by seq', ROWS_SQL, /^SCAN j VIRTUAL TABLE.*\nSEARCH e USING INTEGER PRIMARY KEY \(rowid=\?\)$/],
    ['log order', LOG_SQL, /^SEARCH e USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)$/],
    [
      'log order in segments',
      SEGMENT_SQL,
      /^CO-ROUTINE .*\nSEARCH e USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)\n/,
    ],
    ['the size of a segment', SEGMENT_COUNT_SQL, /^SEARCH events USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)$/],
    ['log order of kinds', LOG_KINDS_SQL, /^SEARCH e USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)\n/],
    ['log order of mail', MAIL_SQL, /^SEARCH tags USING (COVERING )?INDEX tags_mail \(key=\? AND seq>\?\)$/],
    ['seqs with a tag', TAG_SEQS_SQL, /^SEARCH tags USING (PRIMARY KEY|(COVERING )?INDEX \w+) \(key=\?\)$/],
    ['seqs of an author and kind', AUTHOR_SEQS_SQL, /COVERING INDEX events_author \(author=\? AND kind=\?\)$/],
  ])('%s', (_, sql, plan) => {
    for (const on of [db, fresh]) {
      expect(planOf(sql, undefined, on)).toMatch(plan)
      expect(planOf(sql, undefined, on)).not.toMatch(/TEMP B-TREE|SCAN (events|tags|e)\b/)
    }
  })

  test('a page begins where it is to begin, not at the start of its second', () => {
    for (const sql of Object.values(LANE_SQL)) expect(planOf(sql)).toMatch(new RegExp(`created_at>\\? AND ${RANGE}`))
  })

  test.each<[string, Parameters<typeof filter>[0]]>([
    ['authors', { authors: [ALICE, BOB] }],
    ['authors and kinds', { authors: [ALICE], kinds: [1, 2] }],
    ['kinds', { kinds: [1] }],
    ['a tag', { '#p': [ALICE] }],
    ['a tag and kinds', { '#p': [ALICE, BOB], kinds: [1] }],
    ['ids', { ids: [ALICE] }],
  ])('COUNT by %s scans no table', (_, json) => {
    const { sql, params } = countPlan([filter(json)], { keys: [], now: NOW }, { above: 0, upTo: 400 }, 4_096)
    for (const on of [db, fresh]) expect(planOf(sql, params, on)).not.toMatch(/SCAN (events|tags|e|t)\b/)
  })
})

describe('of several conditions the narrower one leads', () => {
  const lanes = (json: Parameters<typeof filter>[0]) => {
    const asked = filter(json)
    return lanesOf(asked, new Statements(db), spanOf(asked, undefined), 100)
  }
  const lead = (json: Parameters<typeof filter>[0]) => lanes(json).map(({ sql }) => sql)

  test('whichever it is', () => {
    expect(lead({ authors: [BOB], '#p': [ALICE] })).toEqual(lead({ authors: [BOB] }))
    expect(lead({ authors: [ALICE], '#p': [BOB], '#t': ['none'] })).toEqual([LANE_SQL.tag])
  })

  test('an author without kinds is read kind by kind, of the kinds there are', () => {
    expect(lanes({ authors: [ALICE] }).map(({ prefix }) => prefix[1])).toEqual([0, 1, 2])
  })

  test('of many authors the ranges, unless most of what is new is theirs', () => {
    const silent = Array.from({ length: 99 }, (_, n) => n.toString(16).padStart(64, '0'))
    expect(lead({ authors: [...silent, ALICE] })).toEqual([LANE_SQL.time])
    expect(lead({ authors: [...silent, ALICE], kinds: [0, 1] })).toEqual([LANE_SQL.kind, LANE_SQL.kind])
    expect(lead({ authors: [...silent, ALICE], kinds: [7] })).toHaveLength(1)
    expect(lead({ authors: silent, kinds: [1, 2] })).toEqual([...silent, ...silent].map(() => LANE_SQL.author))
    // All that there is of that kind is soon read through.
    expect(lead({ authors: silent, kinds: [0] })).toEqual([LANE_SQL.kind])
    // Few need no look around.
    expect(lead({ authors: [...silent.slice(0, 5), ALICE] })).toEqual([0, 1, 2].map(() => LANE_SQL.author))
  })

  test('more ranges than are merged give way to a wider one', () => {
    const authors = Array.from({ length: 500 }, (_, n) => n.toString(16).padStart(64, '0'))
    const kinds = Array.from({ length: 10 }, (_, n) => n)
    expect(lead({ authors, kinds })).toEqual(kinds.map(() => LANE_SQL.kind))
  })
})
