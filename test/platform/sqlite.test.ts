import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { assertDurable, DatabaseError, type OpenOptions, openDatabase, structureFault } from '#dist/platform/sqlite.js'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { tempDir } from '../helpers/temp-dir.ts'

const APPLICATION = 0x50485354
const V1 = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT) STRICT'
const V2 = 'ALTER TABLE notes ADD COLUMN at INTEGER'
const options = (migrations: readonly string[], more: Partial<OpenOptions> = {}): OpenOptions => ({
  applicationId: APPLICATION,
  migrations,
  ...more,
})
const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
const codeOf = (open: () => unknown): unknown => {
  try {
    open()
  } catch (error) {
    expect(error).toBeInstanceOf(DatabaseError)
    return (error as DatabaseError).code
  }
  return undefined
}

describe('openDatabase', () => {
  test('commits are synced: WAL and FULL, told by the connection after a write', () => {
    const db = openDatabase(join(tempDir(), 'a.db'), options([V1]))
    db.exec(`INSERT INTO notes (text) VALUES ('x')`)
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal')
    expect(db.pragma('synchronous', { simple: true })).toBe(2)
    expect(db.pragma('trusted_schema', { simple: true })).toBe(0)
    db.close()
  })

  test.each([
    ['synchronous = NORMAL', 'wal, synchronous=1'],
    ['journal_mode = DELETE', 'delete, synchronous=2'],
  ])('assertDurable refuses %s', (pragma, told) => {
    const db = openDatabase(join(tempDir(), 'a.db'), options([V1]))
    expect(() => assertDurable(db)).not.toThrow()
    db.pragma(pragma)
    expect(codeOf(() => assertDurable(db))).toBe('not-durable')
    expect(() => assertDurable(db)).toThrow(`journal_mode=${told}`)
    db.close()
  })

  test('marks the file and its schema version, and opens it again', () => {
    const path = join(tempDir(), 'a.db')
    openDatabase(path, options([V1])).close()
    const db = openDatabase(path, options([V1]))
    expect(db.pragma('application_id', { simple: true })).toBe(APPLICATION)
    expect(db.pragma('user_version', { simple: true })).toBe(1)
    db.close()
  })

  test('runs the pending migrations only, and keeps the rows', () => {
    const path = join(tempDir(), 'a.db')
    const old = openDatabase(path, options([V1]))
    old.exec(`INSERT INTO notes (text) VALUES ('kept')`)
    old.close()
    const db = openDatabase(path, options([V1, V2]))
    expect(db.prepare('SELECT text, at FROM notes').all()).toEqual([{ text: 'kept', at: null }])
    expect(db.pragma('user_version', { simple: true })).toBe(2)
    db.close()
  })

  test('a failing later migration leaves the old version whole', () => {
    const path = join(tempDir(), 'a.db')
    const old = openDatabase(path, options([V1]))
    old.exec(`INSERT INTO notes (text) VALUES ('kept')`)
    old.close()
    expect(() => openDatabase(path, options([V1, V2, 'CREATE TABLE broken ('])).close()).toThrow()
    const db = openDatabase(path, options([V1]))
    expect(db.pragma('user_version', { simple: true })).toBe(1)
    expect(db.prepare('SELECT * FROM notes').all()).toEqual([{ id: 1, text: 'kept' }])
    db.close()
  })

  test('a failing first migration leaves a file that the next version can still use', () => {
    const path = join(tempDir(), 'a.db')
    expect(() => openDatabase(path, options([V1, 'CREATE TABLE broken ('])).close()).toThrow()
    const db = openDatabase(path, options([V1]))
    expect(db.prepare('SELECT count(*) FROM notes').pluck().get()).toBe(0)
    db.close()
  })

  test('a newer schema is refused and the file untouched', () => {
    const path = join(tempDir(), 'a.db')
    openDatabase(path, options([V1, V2])).close()
    const before = digest(path)
    expect(codeOf(() => openDatabase(path, options([V1])))).toBe('newer-schema')
    expect(digest(path)).toBe(before)
    openDatabase(path, options([V1, V2])).close()
  })

  test('another part of ours is refused and the file untouched', () => {
    const path = join(tempDir(), 'a.db')
    openDatabase(path, options([V1])).close()
    const before = digest(path)
    expect(codeOf(() => openDatabase(path, options([V1], { applicationId: APPLICATION + 1 })))).toBe('foreign-file')
    expect(digest(path)).toBe(before)
  })

  test.each(['DELETE', 'WAL'])('another program’s %s-mode database is refused and untouched', mode => {
    const folder = tempDir()
    const path = join(folder, 'theirs.db')
    const Driver = loadDriver()
    const theirs = new Driver(path)
    theirs.pragma(`journal_mode = ${mode}`)
    theirs.exec('CREATE TABLE theirs (x)')
    theirs.close()
    const before = digest(path)
    expect(codeOf(() => openDatabase(path, options([V1])))).toBe('foreign-file')
    expect(digest(path)).toBe(before)
    expect(readdirSync(folder)).toEqual(['theirs.db'])
  })

  test('a file that is no database is refused and untouched', () => {
    const path = join(tempDir(), 'notes.txt')
    writeFileSync(path, 'dear diary, '.repeat(1_000))
    const before = digest(path)
    expect(codeOf(() => openDatabase(path, options([V1])))).toBe('damaged-file')
    expect(() => openDatabase(path, options([V1]))).toThrow(/is not a SQLite database, or it is damaged/)
    expect(digest(path)).toBe(before)
  })

  test('a file of no bytes is new, unless it was complete before; a folder, a file without rights say so', () => {
    const folder = tempDir()
    const path = join(folder, 'a.db')
    writeFileSync(path, '')
    expect(codeOf(() => openDatabase(path, options([V1], { wasComplete: true })))).toBe('damaged-file')
    openDatabase(path, options([V1])).close()
    openDatabase(path, options([V1], { wasComplete: true })).close()
    const place = join(folder, 'b.db')
    mkdirSync(place)
    expect(() => openDatabase(place, options([V1]))).toThrow(/b\.db cannot be opened .*a folder is in its place/)
    expect(() => openDatabase(join(folder, 'none', 'c.db'), options([V1]))).toThrow(
      /c\.db cannot be opened .*its folder is not there/,
    )
  })

  test('structureFault finds what was overwritten in the middle', () => {
    const path = join(tempDir(), 'a.db')
    const db = openDatabase(path, options([V1]))
    db.exec(`INSERT INTO notes (text) SELECT hex(randomblob(400)) FROM (VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10))
      CROSS JOIN (VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10))`)
    expect(structureFault(db)).toBeUndefined()
    db.close()
    const bytes = readFileSync(path)
    bytes.fill(0x5a, 4096 * 2, 4096 * 6)
    writeFileSync(path, bytes)
    const hurt = openDatabase(path, options([V1], { readonly: true }))
    expect(structureFault(hurt)).toMatch(/./)
    hurt.close()
  })

  test('a secret file is its owner’s alone, with its companions', () => {
    const folder = tempDir()
    const db = openDatabase(join(folder, 'secret.db'), options([V1], { secret: true }))
    for (const name of readdirSync(folder)) expect([name, statSync(join(folder, name)).mode & 0o077]).toEqual([name, 0])
    expect(readdirSync(folder)).toContain('secret.db-wal')
    db.close()
  })

  test('a readonly connection reads what the writer commits and writes nothing', () => {
    const path = join(tempDir(), 'a.db')
    const writer = openDatabase(path, options([V1]))
    const reader = openDatabase(path, options([V1], { readonly: true }))
    writer.exec(`INSERT INTO notes (text) VALUES ('seen')`)
    expect(reader.prepare('SELECT text FROM notes').pluck().all()).toEqual(['seen'])
    expect(() => reader.exec(`INSERT INTO notes (text) VALUES ('x')`)).toThrow(/readonly/)
    expect(() => reader.exec('DROP TABLE notes')).toThrow(/readonly/)
    reader.close()
    writer.close()
  })

  test('a readonly connection creates nothing', () => {
    const folder = tempDir()
    expect(() => openDatabase(join(folder, 'a.db'), options([V1], { readonly: true }))).toThrow()
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('loadDriver', () => {
  test('takes the build that runs on this Node, with a SQLite that is safe in WAL mode', () => {
    const expected = Number(process.versions['napi']) >= 10 ? 'better-sqlite3' : 'better-sqlite3-node20'
    const Driver = loadDriver()
    const manifest = JSON.parse(readFileSync(join('node_modules', expected, 'package.json'), 'utf8'))
    expect(manifest.version).toMatch(expected === 'better-sqlite3' ? /^13\./ : /^12\./)
    expect(loadDriver()).toBe(Driver)
    const db = new Driver(':memory:')
    const [major = 0, minor = 0, patch = 0] = String(db.prepare('SELECT sqlite_version()').pluck().get())
      .split('.')
      .map(Number)
    expect(major * 1_000_000 + minor * 1_000 + patch).toBeGreaterThanOrEqual(3_051_003)
    db.close()
  })
})

test('a reader beside a writer that has not migrated yet is told so, not left to missing tables', () => {
  const path = join(tempDir(), 'young.db')
  ;new (loadDriver())(path).close()
  expect(codeOf(() => openDatabase(path, options([V1], { readonly: true })))).toBe('older-schema')
  openDatabase(path, options([V1])).close()
  openDatabase(path, options([V1], { readonly: true })).close()
  expect(codeOf(() => openDatabase(path, options([V1, V2], { readonly: true })))).toBe('older-schema')
})
