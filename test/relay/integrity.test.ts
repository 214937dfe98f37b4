import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NostrEvent } from 'posthorn/protocol'
import { encodeEvent, verifyEvent } from 'posthorn/protocol'
import { openSqliteStore } from 'posthorn/relay'
import { beforeAll, describe, expect, test } from 'vitest'
import { addFunctions, backupName, type Database } from '#dist/platform/sqlite.js'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { LogReader } from '#dist/relay/log/sqlite/reader.js'
import {
  type EventRow,
  eventOf,
  eventOfText,
  idIn,
  pubkeyIn,
  readRow,
  rowSum,
  SQL_ROW,
  sigSum,
} from '#dist/relay/log/sqlite/row.js'
import { LOG_APPLICATION_ID, LOG_FUNCTIONS, LOG_MIGRATIONS } from '#dist/relay/log/sqlite/schema.js'
import { backupLog, checkFile, checkFolder, restoreLog } from '#dist/relay/tools.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { makeTempDir, removeDir, tempDir } from '../helpers/temp-dir.ts'
import { dice } from './dice.ts'
import { logRequest, queryRequest, unsigned } from './unsigned.ts'
import { connect } from './wire.ts'

const alice = person('alice')
const Driver = loadDriver()

/** SQL behind the relay's back. */
function tamper(file: string, work: (db: Database) => void): void {
  const db = new Driver(file)
  work(db)
  db.close()
}

/** Signed events of every class, with replacements and deletions, in a closed log. */
async function makeLog(directory: string, count: number): Promise<NostrEvent[]> {
  const store = await openSqliteStore(directory)
  const events: NostrEvent[] = []
  for (let n = 0; n < count; n += 1) {
    const deletes = n % 12 === 11
    events.push(
      alice.sign({
        kind: deletes ? 5 : n % 7 === 0 ? 30_078 : n % 3 === 0 ? 4_700 : 1,
        created_at: 1_000 + n,
        tags: deletes
          ? [['e', events[n - 5]?.id ?? '']]
          : [
              ['p', alice.pubkey],
              ['d', `slot ${n % 9}`],
              ['t', `topic ${n % 5}`],
            ],
        content: `text ${n} `.repeat(8 + (n % 20)),
      }),
    )
  }
  await store.startEpoch(1_000, 0)
  await store.append(events, 2_000_000)
  await store.putWill({ event: alice.sign({ kind: 34_706, tags: [['d', 's']] }), session: 's' })
  await store.close()
  return events
}

describe('a stored row', () => {
  const event = alice.sign({
    tags: [
      ['t', '],"content":"'],
      ['x', '\\"'],
    ],
    content: '"],"content":"","sig":"\n\u0001é€😀',
  })
  const row = { json: encodeEvent(event), sig_sum: sigSum(event) }
  const columns = { seq: 7, created_at: event.created_at, kind: event.kind, expires_at: null, json: row.json }
  const stored = { ...columns, sum: rowSum(columns) }

  test('is the event that was stored', () => {
    expect(eventOf(stored)).toEqual(event)
    expect(eventOfText(row)).toEqual(event)
    expect(eventOfText({ ...row, sig_sum: null })).toEqual(event)
    const bare = alice.sign({})
    expect(eventOfText({ json: encodeEvent(bare), sig_sum: sigSum(bare) })).toEqual(bare)
  })

  test('under another seq, time, kind or expiry is not', () => {
    for (const change of [{ seq: 8 }, { created_at: 1 }, { kind: 2 }, { expires_at: 5 }, { sum: '' }])
      expect(eventOf({ ...stored, ...change }), JSON.stringify(change)).toBeUndefined()
  })

  test('of which a flipped bit in the header of its record has made NULLs is damaged, and has a seq', () => {
    const db = new Driver(':memory:')
    const columns = 'SELECT 7 AS seq, NULL AS created_at, NULL AS kind, NULL AS expires_at, NULL AS json, NULL AS sum'
    const text = db.prepare(`SELECT ${SQL_ROW} FROM (${columns}) e`).pluck().get() as string
    expect(readRow(text)).toMatchObject({ seq: 7, intact: false })
    expect(eventOf(db.prepare(columns).get() as EventRow)).toBeUndefined()
    expect([idIn(null), pubkeyIn(null)]).toEqual(['', ''])
    db.close()
  })

  test('with any one bit changed is not', () => {
    const bytes = Buffer.from(row.json)
    let missed = 0
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const copy = Buffer.from(bytes)
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const json = copy.toString()
      if (eventOfText({ ...row, json }) !== undefined || eventOf({ ...stored, json }) !== undefined) missed += 1
    }
    expect(missed).toBe(0)
  })

  test('that says something else under a true id, or more, or in another order, is not', () => {
    const { sig, ...rest } = event
    for (const json of [
      row.json.replace('"kind":1', '"kind":01'),
      row.json.replace('"kind":1', '"kind": 1'),
      row.json.replace('{', '{"extra":1,'),
      `${row.json} `,
      JSON.stringify({ sig, ...rest }),
      row.json.replace('"content"', '"c":0,"content"'),
      '{}',
      'null',
      '',
    ])
      expect(eventOfText({ json, sig_sum: null }), json).toBeUndefined()
  })

  test('made by hashing control characters verbatim is served, too', () => {
    const verbatim = alice.sign({ content: '\u0001' })
    expect(eventOfText({ json: encodeEvent(verbatim), sig_sum: sigSum(verbatim) })?.content).toBe('\u0001')
  })
})

describe('check', () => {
  let good: string
  beforeAll(async () => {
    good = makeTempDir()
    await makeLog(good, 60)
    return () => removeDir(good)
  })

  test('finds nothing in a sound log, nor in one that is being written', async () => {
    expect(await checkFolder(good)).toMatchObject({ ok: true, events: 55, damaged: [], problems: [] })
    await using running = await startRelay()
    const wire = await connect(running.url)
    const [, ...reports] = await Promise.all([
      (async () => {
        for (let n = 0; n < 100; n += 1) await wire.publish(alice.sign({ created_at: nowSeconds(), content: `${n}` }))
      })(),
      checkFolder(running.data),
      checkFolder(running.data),
    ])
    expect(reports.map(({ ok }) => ok)).toEqual([true, true])
    expect(await checkFolder(running.data)).toMatchObject({ ok: true, events: 100 })
  })

  const sign = (changed: string) => (db: Database) => {
    db.exec(changed)
  }
  test.each<[string, RegExp, (db: Database) => void]>([
    ['content', /hash/, sign(`UPDATE events SET json = replace(json, 'text 2 ', 'text 3 ') WHERE seq = 3`)],
    ['signature', /hash/, sign(`UPDATE events SET json = substr(json, 1, length(json) - 4) || 'ff"}' WHERE seq = 2`)],
    ['id', /hash|columns/, sign('UPDATE events SET rank = rank + 1 WHERE seq = 2')],
    ['author column', /columns differ.*author/, sign('UPDATE events SET author = author + 1 WHERE seq = 2')],
    ['time column', /hash/, sign('UPDATE events SET created_at = 5 WHERE seq = 2')],
    ['expiry column', /hash/, sign('UPDATE events SET expires_at = 5 WHERE seq = 2')],
    ['address column', /columns differ.*address/, sign(`UPDATE events SET address = 'x' WHERE seq = 2`)],
    ['tag row gone', /not in the index/, sign('DELETE FROM tags WHERE seq = 3 AND key > 0')],
    ['tag row of nobody', /belong to no event/, sign('INSERT INTO tags VALUES (5, 1002, 1, 3, 1)')],
    ['seq beyond the end', /outside the log/, sign('UPDATE log SET last = 20')],
    ['high-water mark', /high-water mark/, sign('UPDATE marks SET created_at = created_at + 1')],
    ['high-water mark gone', /high-water mark/, sign('DELETE FROM marks')],
    ['tombstone gone', /not remembered/, sign('DELETE FROM deleted_ids')],
    ['removal', /removal/, sign(`UPDATE removals SET op = 'melted'`)],
    ['removal header', /removal/, sign(`UPDATE removals SET target = '{}'`)],
    ['epoch', /out of order/, sign('UPDATE epochs SET start = 9999')],
    ['will', /will/, sign(`UPDATE wills SET json = replace(json, '"d"', '"e"')`)],
    ['vanished author', /vanished/, db => db.prepare('INSERT INTO vanished VALUES (?, 5000, 70)').run(alice.pubkey)],
    ['a table too many', /tables/, sign('CREATE TABLE mine (x)')],
    ['an index gone', /tables/, sign('DROP INDEX events_time')],
  ])('finds: %s', async (_, words, change) => {
    const file = join(tempDir(), 'log.db')
    writeFileSync(file, readFileSync(join(good, 'log.db')))
    tamper(file, change)
    const report = await checkFile(file)
    expect(report.ok).toBe(false)
    expect([...report.damaged.map(({ what }) => what), ...report.problems].join('\n')).toMatch(words)
  })

  test('signatures are checked if asked for', async () => {
    const file = join(tempDir(), 'log.db')
    writeFileSync(file, readFileSync(join(good, 'log.db')))
    tamper(file, db => {
      // By somebody who knows how: the checksum is true, and the id does not cover the signature.
      db.exec(`UPDATE events SET json = substr(json, 1, length(json) - 4) || 'ff"}' WHERE seq = 2`)
      const changed = db.prepare('SELECT seq, created_at, kind, expires_at, json FROM events WHERE seq = 2').get()
      db.prepare('UPDATE events SET sum = ? WHERE seq = 2').run(rowSum(changed as Parameters<typeof rowSum>[0]))
    })
    expect((await checkFile(file)).ok).toBe(true)
    const verify = async (events: readonly NostrEvent[]) => events.map(verifyEvent)
    expect((await checkFile(file, { verify })).damaged).toMatchObject([
      { seq: 2, what: expect.stringMatching('signature') },
    ])
  })
})

describe('bit flips', () => {
  const FLIPS = Number(process.env['FLIPS'] ?? 40)

  /** What the file says, table by table, without what is derived for search: that can lose hits, never serve other rows. */
  function contents(file: string): string | undefined {
    const db = new Driver(file, { readonly: true })
    try {
      const tables = db.prepare(
        `SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' AND name NOT LIKE 'search%'`,
      )
      return JSON.stringify(
        (tables.all() as { name: string; sql: string }[]).map(({ name, sql }) =>
          sql.startsWith('CREATE VIRTUAL') ? sql : [sql, db.prepare(`SELECT * FROM "${name}" NOT INDEXED`).raw().all()],
        ),
      )
    } catch {
      return undefined
    } finally {
      db.close()
    }
  }

  test(`of ${FLIPS}, those that change what the log says are found, and no damaged row is served`, {
    timeout: 120_000,
  }, async () => {
    const random = dice(testSeed('bit flips'))
    const dir = tempDir()
    const events = new Map((await makeLog(dir, 240)).map(event => [event.id, encodeEvent(event)]))
    const file = join(dir, 'flipped.db')
    await backupLog(dir, join(dir, 'packed.db'))
    const bytes = readFileSync(join(dir, 'packed.db'))
    const before = contents(join(dir, 'packed.db'))
    const tally = { found: 0, silent: 0, idle: 0 }
    for (let flip = 0; flip < FLIPS; flip += 1) {
      const copy = Buffer.from(bytes)
      const at = random.below(copy.length)
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8))
      writeFileSync(file, copy)
      const sound = await checkFile(file).then(
        ({ ok }) => ok,
        error => {
          // The header: another program's file, or a newer one's.
          expect(error).toMatchObject({ name: 'DatabaseError' })
          return false
        },
      )
      if (!sound) tally.found += 1
      else if (contents(file) === before) tally.idle += 1
      else tally.silent += 1
      for (const json of servedFrom(file))
        expect(events.get((JSON.parse(json) as NostrEvent).id), `byte ${at}`).toBe(json)
    }
    console.log(`bit flips: ${tally.found} found, ${tally.silent} not found, ${tally.idle} in bytes that hold nothing`)
    expect(tally.found / (tally.found + tally.silent)).toBeGreaterThan(0.8)
  })

  /** All that a reader would send, newest first and in log order; nothing if the file breaks under it. */
  function servedFrom(file: string): string[] {
    let reader: LogReader | undefined
    try {
      reader = new LogReader(file)
      const { entries } = reader.readLog(logRequest([{}], 0, { gone: false }))
      const { events } = reader.query(queryRequest([{ kinds: [1, 5, 4_700] }]))
      return [...events, ...entries.flatMap(row => (row.op === 'stored' ? [row.json] : []))]
    } catch (error) {
      // A failed read is answered CLOSED `error:`.
      expect(String((error as { code?: unknown }).code)).toMatch(
        /^SQLITE_|^(foreign-file|damaged-file|older-schema|newer-schema)$/,
      )
      return []
    } finally {
      reader?.close()
    }
  }
})

describe('backup and restore', () => {
  test('under load: sound, equal to the log up to its end; restored, a cursor beyond it is unknown', async () => {
    await using running = await startRelay()
    const writer = await connect(running.url)
    const events = Array.from({ length: 150 }, (_, n) => alice.sign({ created_at: nowSeconds() - n, content: `${n}` }))
    const dir = tempDir()
    const backup = join(dir, 'a.db')
    for (const event of events.slice(0, 40)) await writer.publish(event)
    for (const event of events.slice(40)) writer.send('EVENT', event)
    const report = await backupLog(running.data, backup)
    for (const _ of events.slice(40)) await writer.find(([type]) => type === 'OK')
    expect(report).toMatchObject({ ok: true, file: backup, bytes: statSync(backup).size })
    expect(report.last).toBeGreaterThanOrEqual(40)
    expect(statSync(backup).mode & 0o077).toBe(0)
    expect(readdirSync(dir)).toEqual(['a.db'])
    await expect(backupLog(running.data, backup)).rejects.toMatchObject({ code: 'target-exists' })

    const log = await writer.request('log', { since_seq: 0 })
    const seqs = new Map(
      log.flatMap(([type, , event, seq]) => (type === 'EVENT' ? [[(event as NostrEvent).id, seq]] : [])),
    )
    const data = join(dir, 'restored')
    expect(await restoreLog(backup, data)).toMatchObject({ ok: true, before: undefined })
    const store = await openSqliteStore(data)
    const { entries } = await store.readLog(logRequest([{}], 0, { now: nowSeconds() }))
    expect(entries.map(row => row.seq)).toEqual([...seqs.values()].filter(seq => Number(seq) <= report.last))
    await store.close()

    // The relay itself put back to its backup: who has seen more is told so.
    const cursor = { since_seq: running.relay.head.last, epoch: running.relay.head.epoch }
    await expect(restoreLog(backup, running.data, { replace: true })).rejects.toMatchObject({ code: 'locked' })
    await running.relay.close()
    await expect(restoreLog(backup, running.data)).rejects.toMatchObject({ code: 'log-in-place' })
    const { before } = await restoreLog(backup, running.data, { replace: true })
    expect((await checkFile(before ?? '')).events).toBe(150)
    await running.restart()
    const reader = await connect(running.url)
    const [answer] = await reader.request('more', cursor)
    if (report.last < 150) expect(answer).toEqual(['CLOSED', 'more', `invalid: cursor-unknown common:${report.last}`])
  })

  test('a damaged log is not backed up, a damaged backup not restored; nothing is left behind', async () => {
    const dir = tempDir()
    await makeLog(dir, 20)
    const good = join(dir, 'good.backup')
    await backupLog(dir, good)
    tamper(join(dir, 'log.db'), db => db.exec(`UPDATE events SET json = '{}' WHERE seq = 2`))
    const files = readdirSync(dir).filter(name => !/-(wal|shm)$/.test(name))
    await expect(backupLog(dir, join(dir, 'bad.backup'))).rejects.toMatchObject({
      code: 'damaged-log',
      report: { damaged: [{ seq: 2 }] },
    })
    // A reader leaves SQLite's own files beside a log; they hold nothing.
    expect(readdirSync(dir).filter(name => !/-(wal|shm)$/.test(name))).toEqual(files)
    tamper(good, db => db.exec(`UPDATE events SET json = '{}' WHERE seq = 3`))
    await expect(restoreLog(good, join(dir, 'new'))).rejects.toMatchObject({ code: 'damaged-log' })
    expect(existsSync(join(dir, 'new', 'log.db'))).toBe(false)
    await expect(backupLog(join(dir, 'nowhere'), good)).rejects.toMatchObject({ code: 'no-log' })
  })
})

describe('schema versions', () => {
  /** A log as an older posthorn left it, with one event. */
  function oldLog(version: number): { dir: string; file: string; event: NostrEvent } {
    const dir = tempDir()
    const file = join(dir, 'log.db')
    const event = unsigned({ created_at: 5, tags: [['t', 'x']] })
    tamper(file, db => {
      db.pragma('journal_mode = WAL')
      addFunctions(db, LOG_FUNCTIONS)
      for (const sql of LOG_MIGRATIONS.slice(0, version)) db.exec(sql)
      db.pragma(`application_id = ${LOG_APPLICATION_ID}`)
      db.pragma(`user_version = ${version}`)
      if (version > 5) return
      db.prepare(
        `INSERT INTO events (seq, id, pubkey, created_at, kind, received_at, json) VALUES (1, ?, ?, 5, 1, 0, ?)`,
      ).run(event.id, event.pubkey, encodeEvent(event))
      db.prepare(`INSERT INTO tags VALUES ('t', 'x', 1, 5)`).run()
      db.exec('UPDATE log SET last = 1')
    })
    return { dir, file, event }
  }
  const older = LOG_MIGRATIONS.map((_, index) => index).slice(1)

  test.each(older)('a log of schema %i is sound, is copied, opens, and keeps its events', async version => {
    const { dir, file, event } = oldLog(version)
    expect(await checkFile(file)).toMatchObject({ ok: true, events: 1 })
    const store = await openSqliteStore(dir)
    const { entries } = await store.readLog(logRequest([{ '#t': ['x'] }]))
    expect(entries).toMatchObject([{ seq: 1, json: encodeEvent(event) }])
    await store.close()
    expect(await checkFile(file)).toMatchObject({ ok: true, events: 1 })
    const copy = backupName(file, version)
    expect(statSync(copy).mode & 0o077).toBe(0)
    expect(await checkFile(copy)).toMatchObject({ ok: true, events: 1 })
    const db = new Driver(copy, { readonly: true })
    expect(db.pragma('user_version', { simple: true })).toBe(version)
    db.close()
  })

  test('a log of a newer posthorn is refused by every tool and left as it is', async () => {
    const { dir, file } = oldLog(LOG_MIGRATIONS.length)
    tamper(file, db => {
      db.pragma(`user_version = ${LOG_MIGRATIONS.length + 1}`)
      db.pragma('wal_checkpoint(TRUNCATE)')
    })
    const bytes = readFileSync(file)
    const newer = { code: 'newer-schema' }
    await expect(openSqliteStore(dir)).rejects.toMatchObject(newer)
    await expect(checkFile(file)).rejects.toMatchObject(newer)
    await expect(backupLog(dir, join(dir, 'x'))).rejects.toMatchObject(newer)
    await expect(restoreLog(file, join(dir, 'new'))).rejects.toMatchObject(newer)
    expect(readFileSync(file).equals(bytes)).toBe(true)
    expect(readdirSync(dir).filter(name => /schema|partial|^x/.test(name))).toEqual([])
  })
})
