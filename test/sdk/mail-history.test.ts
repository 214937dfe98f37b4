import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { IDBFactory } from 'fake-indexeddb'
import { createMemoryMailStore } from 'posthorn'
import { expect, test } from 'vitest'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { openIdbMailStore } from '#dist/sdk/browser/idb-mail-store.js'
import { MAIL_APPLICATION_ID, MAIL_MIGRATIONS } from '#dist/sdk/home/mail-schema.js'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { testSeed } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { answers, change, diceOf } from './mail-history.ts'

const Driver = loadDriver()
const OPEN = "state IN ('new', 'working', 'failed') AND stranger IS NOT 'held'"

/** What is counted along, and the same counted from the start. */
const SUMS: readonly [kept: string, counted: string][] = [
  ['SELECT unread FROM counts', "SELECT count(*) FROM inbox WHERE read = 0 AND stranger IS NOT 'held'"],
  ['SELECT failed FROM counts', "SELECT count(*) FROM inbox WHERE state = 'set-aside' AND stranger IS NOT 'held'"],
  ['SELECT receipts_due FROM counts', 'SELECT count(*) FROM inbox WHERE receipt_due = 1'],
  ['SELECT listed FROM counts', "SELECT count(*) FROM inbox WHERE stranger = 'listed' AND read = 0"],
  ['SELECT held FROM counts', "SELECT count(*) FROM inbox WHERE stranger = 'held'"],
  ['SELECT queue FROM counts', "SELECT count(*) FROM outbox WHERE state = 'queued'"],
  ['SELECT undelivered FROM counts', "SELECT count(*) FROM outbox WHERE state IN ('refused', 'undeliverable')"],
  [
    'SELECT topic, act, schema, sender, n FROM work_left ORDER BY 1, 2, 3, 4',
    `SELECT coalesce(topic, ''), act, coalesce(schema, ''), sender, count(*) FROM inbox WHERE ${OPEN}
      GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
  ],
  [
    'SELECT ordinal FROM unaddressed ORDER BY 1',
    "SELECT ordinal FROM outbox WHERE state = 'queued' AND id NOT IN (SELECT id FROM copies) ORDER BY 1",
  ],
  [
    'SELECT id, heard FROM outbox ORDER BY 1',
    `SELECT id, coalesce((SELECT 1 + max(state IN ('done', 'failed', 'rejected')) FROM receipts WHERE message = outbox.id), 0)
      FROM outbox ORDER BY 1`,
  ],
  [
    'SELECT place, heard FROM copies ORDER BY 1',
    'SELECT place, outbox.heard FROM copies JOIN outbox ON outbox.id = copies.id ORDER BY 1',
  ],
  [
    "SELECT place, settled_ms FROM copies WHERE state = 'waiting' ORDER BY 1",
    `SELECT place, outbox.settled_ms FROM copies JOIN outbox ON outbox.id = copies.id WHERE copies.state = 'waiting'
      ORDER BY 1`,
  ],
]

function expectRightSums(path: string, note: string): void {
  const db = new Driver(path, { readonly: true })
  try {
    for (const [kept, counted] of SUMS)
      expect(db.prepare(kept).raw().all(), `${note}: ${kept}`).toEqual(db.prepare(counted).raw().all())
  } finally {
    db.close()
  }
}

test('random histories: every store answers every question alike, after a restart too; sums are what a count would give', async () => {
  const seed = testSeed('mail-history')
  for (let history = 0; history < 3; history += 1) {
    const path = join(tempDir(), 'mail.db')
    const factory = new IDBFactory()
    const memory = createMemoryMailStore()
    let sqlite = openSqliteMailStore(path)
    let indexed = await openIdbMailStore('posthorn/test', factory)
    for (let n = 1; n <= 160; n += 1) {
      const note = `SEED=${seed}, history ${history}, after change ${n}`
      for (const store of [memory, sqlite, indexed]) change(store, diceOf((seed + history) * 1_000 + n), n)
      if (n % 40 === 0) {
        sqlite.close()
        sqlite = openSqliteMailStore(path)
        await indexed.durable?.()
        indexed.close()
        indexed = await openIdbMailStore('posthorn/test', factory)
      }
      if (n % 10 > 0) continue
      const expected = answers(memory, 1_000 * n)
      expect(answers(sqlite, 1_000 * n), `${note}, sqlite`).toEqual(expected)
      expect(answers(indexed, 1_000 * n), `${note}, indexeddb`).toEqual(expected)
      expectRightSums(path, note)
    }
    sqlite.close()
    indexed.close()
  }
})

const plain = (value: unknown) =>
  JSON.parse(JSON.stringify(value, (key, each) => (key === 'fallback' ? undefined : each)))

test('a home of every earlier version: its mail is counted when it is opened', () => {
  const seed = testSeed('mail-history of earlier versions')
  const dir = tempDir()
  const path = join(dir, 'mail.db')
  const store = openSqliteMailStore(path)
  for (let n = 1; n <= 200; n += 1) change(store, diceOf(seed * 1_000 + n), n)
  const expected = answers(store, 200_000)
  store.close()
  // Version 7 is the first whose tables hold nearly all of this; 9 added which copies are given to be sure.
  for (const version of [7, 8, 9]) {
    const old = join(dir, `mail-${version}.db`)
    const db = new Driver(old)
    for (const sql of MAIL_MIGRATIONS.slice(0, version)) db.exec(sql)
    db.pragma(`application_id = ${MAIL_APPLICATION_ID}`)
    db.pragma(`user_version = ${version}`)
    db.exec(`ATTACH '${path}' AS now`)
    const names = (sql: string) =>
      db
        .prepare(sql)
        .raw()
        .all()
        .map(row => String((row as unknown[])[0]))
    for (const table of names("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")) {
      const columns = names(`SELECT name FROM pragma_table_info('${table}')`).join(', ')
      db.exec(`INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM now.${table}`)
    }
    db.close()
    const again = openSqliteMailStore(old)
    expect(plain(answers(again, 200_000)), `SEED=${seed}, version ${version}`).toEqual(plain(expected))
    again.close()
    expectRightSums(old, `SEED=${seed}, version ${version}`)
  }
})

/** Works as an agent does, without a pause, until it is killed. */
const WORK = `
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
const store = openSqliteMailStore(process.argv[1])
const from = 'a'.repeat(64)
for (let n = Number(process.argv[2]); ; n += 1) {
  const id = k => (10 * n + k).toString(16).padStart(64, '0')
  const mail = [1, 2].map(k => ({ id: id(k), from, text: '', act: 'request', at: n, private: true, relay: 'r', event: '{}', receiptDue: true }))
  store.record({ feed: { relay: 'r', filter: '' }, mail })
  store.beginWork(id(1))
  store.endWork(id(1), { state: n % 3 ? 'done' : 'set-aside', receipted: true }, [{ id: id(3), to: from, event: '{}' }])
  store.address(id(3), ['r', 's'])
  store.settle([{ id: id(3), state: n % 2 ? 'stored' : 'refused', relay: 'r', reason: 'x' }], n)
  if (n % 4 === 0) store.record({ feed: { relay: 'r', filter: '' }, mail: [], receipts: [{ id: id(4), of: id(3), from, state: 'done', at: n, private: true }] })
  if (n % 50 === 0) process.stdout.write(n + '\\n')
}`

test('killed at work: sums are right at the next start', async () => {
  const path = join(tempDir(), 'mail.db')
  for (let round = 0; round < 2; round += 1) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', WORK, path, String(1 + round * 100_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    await Promise.race([once(createInterface(child.stdout), 'line'), exited])
    child.kill('SIGKILL')
    expect(await exited).toEqual([null, 'SIGKILL'])
    expectRightSums(path, `round ${round}`)
    const store = openSqliteMailStore(path)
    expect(store.counts().unread).toBe(store.list({ unread: true }).length)
    store.close()
  }
})
