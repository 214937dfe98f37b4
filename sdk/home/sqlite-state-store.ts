import { openDatabase } from '../../platform/sqlite.ts'
import { type StateStore, tableStateStore } from '../state/store.ts'
import type { Table } from '../tables.ts'

/** "phst": posthorn state. */
const STATE_APPLICATION_ID = 0x70_68_73_74

/** Version n is the state after the first n; never edit one that was released. */
const STATE_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE rows (
    place INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of first insertion
    name TEXT NOT NULL,                        -- of the table
    key TEXT NOT NULL,
    row TEXT NOT NULL,                         -- JSON
    UNIQUE (name, key)
  ) STRICT;
  `,
]

/** The tables that a state file has rows in, by name. Throws DatabaseError. */
export function tableNames(path: string): readonly string[] {
  const db = openState(path, { readonly: true })
  try {
    return db.prepare('SELECT DISTINCT name FROM rows').pluck().all() as string[]
  } finally {
    db.close()
  }
}

const openState = (path: string, options: { readonly readonly?: boolean }) =>
  openDatabase(path, { applicationId: STATE_APPLICATION_ID, migrations: STATE_MIGRATIONS, secret: true, ...options })

/** State in one SQLite file (0600), mirrored in memory table by table as they are opened. `readonly` is a view beside the writing process. */
export function openSqliteStateStore(path: string, options: { readonly readonly?: boolean } = {}): StateStore {
  const db = openState(path, options)
  const select = db.prepare('SELECT key, row FROM rows WHERE name = ? ORDER BY place')
  const put = db.prepare(
    'INSERT INTO rows (name, key, row) VALUES (?, ?, ?) ON CONFLICT (name, key) DO UPDATE SET row = excluded.row',
  )
  const remove = db.prepare('DELETE FROM rows WHERE name = ? AND key = ?')
  /** Of the transaction that runs: how to bring the mirrors back. */
  let undo: (() => void)[] | undefined

  function open<Row extends object>(name: string): Table<Row> {
    const rows: Table<Row> = new Map()
    for (const { key, row } of select.all(name) as { key: string; row: string }[])
      rows.set(key, Object.freeze(JSON.parse(row) as Row))
    const { set, delete: drop } = rows
    const remember = (key: string) => {
      const before = rows.get(key)
      undo?.push(() => void (before === undefined ? drop.call(rows, key) : set.call(rows, key, before)))
    }
    rows.set = (key, row) => {
      put.run(name, key, JSON.stringify(row))
      remember(key)
      return set.call(rows, key, Object.freeze(row))
    }
    rows.delete = key => {
      if (!rows.has(key)) return false
      remove.run(name, key)
      remember(key)
      return drop.call(rows, key)
    }
    return rows
  }

  return tableStateStore(open, {
    transaction(run) {
      if (undo) return run()
      const steps: (() => void)[] = []
      undo = steps
      try {
        return db.transaction(run).immediate()
      } catch (error) {
        for (const step of steps.reverse()) step()
        throw error
      } finally {
        undo = undefined
      }
    },
    close: () => void db.close(),
  })
}
