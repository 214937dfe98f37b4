import { StorageError } from '../errors.ts'
import type { OpenTable, Table } from '../tables.ts'
import { committed, openDatabase, resultOf, writing } from './idb.ts'

const ROWS = 'rows'
/** Raised when a row's shape changes in a way that old rows have to be rewritten for. */
const VERSION = 1

/** Tables in memory that are written behind to one IndexedDB database. */
export interface IdbTables {
  readonly open: OpenTable
  /** Resolves when everything set so far is committed; rejects if it could not be, and then tries again at the next call. */
  durable(): Promise<void>
  /** Why nothing can be kept any more. */
  fault(): StorageError | undefined
  /** Makes the database again and writes everything that is in memory. */
  restore(): Promise<void>
  close(): void
}

interface Kept {
  /** Position among the rows of all tables, by first insertion. */
  readonly order: number
  readonly row: object
}

type Key = [table: string, key: string]
interface Change {
  readonly key: Key
  /** Undefined: deleted. */
  readonly kept: Kept | undefined
}

/**
 * What is changed in one turn of the event loop is written in one transaction, and transactions follow each other in order:
 * after a crash the tables are as they were at some earlier moment between two turns, never half-way.
 */
export async function openIdbTables(
  factory: IDBFactory | undefined,
  name: string,
  onFault: () => void = () => {},
): Promise<IdbTables> {
  let fault: StorageError | undefined
  const reopen = () =>
    openDatabase(factory, name, VERSION, ROWS, {
      onGone() {
        fault = goneError(name)
        onFault()
      },
    })
  let db = await reopen()
  const loaded = await load(db)
  let lastOrder = loaded.reduce((last, [, { order }]) => Math.max(last, order), 0)
  let pending = new Map<string, Change>()
  let planned = false
  const opened = new Map<string, { readonly orders: Map<string, number>; readonly rows: Table<object> }>()
  let last: Promise<void> = Promise.resolve()

  function note(change: Change): void {
    pending.set(JSON.stringify(change.key), change)
    plan()
  }

  function plan(): void {
    if (planned) return
    planned = true
    last = last.then(write, write)
    // Whoever needs to know asks `durable`.
    last.catch(() => {})
  }

  async function write(): Promise<void> {
    const batch = pending
    pending = new Map()
    planned = false
    try {
      if (fault?.code === 'storage-gone') throw fault
      const transaction = writing(db, ROWS)
      const rows = transaction.objectStore(ROWS)
      for (const { key, kept } of batch.values()) {
        if (kept) rows.put(kept, key)
        else rows.delete(key)
      }
      await committed(transaction)
      // A transaction that was under way when the storage went is committed to what is gone.
      if (fault?.code === 'storage-full') {
        fault = undefined
        onFault()
      }
    } catch (cause) {
      // Nothing of it was kept. It goes first in what is written next, where newer changes of a row win.
      pending = new Map([...batch, ...pending])
      const isNew = fault === undefined
      fault ??= new StorageError(
        'storage-full',
        `the browser could not store it; its quota may be used up: free space on this device, then it is tried again (${String(cause)})`,
        { cause },
      )
      if (isNew) onFault()
      throw fault
    }
  }

  function journaled<Row extends object>(table: string): Table<Row> {
    const orders = new Map<string, number>()
    const rows: Table<Row> = new Map()
    for (const [[of, key], { order, row }] of loaded) {
      if (of !== table) continue
      orders.set(key, order)
      // Written by this table under this name, at this version.
      rows.set(key, Object.freeze(row as Row))
    }
    opened.set(table, { orders, rows })
    const { set, delete: remove } = rows
    rows.set = (key, row) => {
      let order = orders.get(key)
      if (order === undefined) {
        lastOrder += 1
        order = lastOrder
        orders.set(key, order)
      }
      note({ key: [table, key], kept: { order, row: Object.freeze(row) } })
      return set.call(rows, key, row)
    }
    rows.delete = key => {
      if (!remove.call(rows, key)) return false
      orders.delete(key)
      note({ key: [table, key], kept: undefined })
      return true
    }
    return rows
  }

  return {
    open: journaled,
    durable() {
      if (pending.size > 0) plan()
      return last
    },
    fault: () => fault,
    async restore() {
      db.close()
      db = await reopen()
      fault = undefined
      for (const [table, { orders, rows }] of opened)
        for (const [key, row] of rows) note({ key: [table, key], kept: { order: orders.get(key) ?? 0, row } })
      plan()
      await last
      onFault()
    },
    close: () => db.close(),
  }
}

/** What happened, and what can be done while the agent is open. */
export const goneError = (name: string): StorageError =>
  new StorageError(
    'storage-gone',
    `the storage of ${name} is gone: cleared, or removed by the browser. restoreStorage(agent) writes back what is in memory, key included; else it ends with this page.`,
  )

async function load(db: IDBDatabase): Promise<[Key, Kept][]> {
  const rows = db.transaction(ROWS).objectStore(ROWS)
  const [keys, values] = await Promise.all([resultOf(rows.getAllKeys()), resultOf<Kept[]>(rows.getAll())])
  return values.map((kept, index): [Key, Kept] => [keys[index] as Key, kept]).sort(([, a], [, b]) => a.order - b.order)
}
