import { join } from 'node:path'
import { IDBFactory } from 'fake-indexeddb'
import { type StateStore, tableStateStore } from 'posthorn'
import { describe, expect, it } from 'vitest'
import { openIdbTables } from '#dist/sdk/browser/idb-tables.js'
import { openSqliteStateStore } from '#dist/sdk/home/sqlite-state-store.js'
import { tempDir } from '../../helpers/temp-dir.ts'

interface Row {
  readonly n: number
}

/** Opens the same store again, as after a restart. */
type Reopen = () => Promise<StateStore>

const STORES: Record<string, () => Reopen> = {
  memory: () => {
    const store = tableStateStore()
    return async () => store
  },
  sqlite: () => {
    const path = join(tempDir(), 'state.db')
    return async () => openSqliteStateStore(path)
  },
  indexeddb: () => {
    const factory = new IDBFactory()
    return async () => {
      const tables = await openIdbTables(factory, 'state')
      return tableStateStore(tables.open, { durable: tables.durable, close: tables.close })
    }
  },
}

describe.each(Object.entries(STORES))('a state store in %s', (_, make) => {
  it('keeps rows by table and key, in the order they were first set, over a restart', async () => {
    const reopen = make()
    const store = await reopen()
    const [first, second] = [store.open<Row>('first'), store.open<Row>('second')]
    expect(store.open('first')).toBe(first)
    store.transaction(() => {
      first.set('b', { n: 1 })
      first.set('a', { n: 2 })
      first.set('gone', { n: 3 })
      second.set('a', { n: 4 })
    })
    first.set('b', { n: 5 })
    expect(first.delete('gone')).toBe(true)
    expect(first.delete('gone')).toBe(false)
    await store.durable?.()
    const again = await reopen()
    expect([...again.open<Row>('first')]).toEqual([
      ['b', { n: 5 }],
      ['a', { n: 2 }],
    ])
    expect([...again.open<Row>('second')]).toEqual([['a', { n: 4 }]])
    store.close()
    again.close()
  })

  it('returns what a transaction returns, one inside another too', async () => {
    const store = await make()()
    const table = store.open<Row>('t')
    const result = store.transaction(() => {
      table.set('a', { n: 1 })
      return store.transaction(() => table.get('a')?.n)
    })
    expect(result).toBe(1)
    store.close()
  })
})

it('in SQLite a transaction that fails leaves nothing, in the file and in memory', () => {
  const path = join(tempDir(), 'state.db')
  const store = openSqliteStateStore(path)
  const table = store.open<Row>('t')
  table.set('a', { n: 1 })
  table.set('b', { n: 1 })
  const fail = () =>
    store.transaction(() => {
      table.set('a', { n: 2 })
      table.delete('b')
      table.set('c', { n: 2 })
      throw new Error('no')
    })
  expect(fail).toThrow('no')
  const kept = { a: { n: 1 }, b: { n: 1 } }
  expect(Object.fromEntries(table)).toEqual(kept)
  store.close()
  const view = openSqliteStateStore(path, { readonly: true })
  expect(Object.fromEntries(view.open('t'))).toEqual(kept)
  expect(() => view.open<Row>('t').set('a', { n: 3 })).toThrow()
  view.close()
})
