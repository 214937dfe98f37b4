import { IDBFactory } from 'fake-indexeddb'
import { createMemoryMailStore } from 'posthorn'
import { expect, test } from 'vitest'
import { openIdbMailStore } from '#dist/sdk/browser/idb-mail-store.js'
import { openIdbTables } from '#dist/sdk/browser/idb-tables.js'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, memoryAgent } from './agents.ts'

/** A factory whose databases refuse the next `failures` write transactions, as one does whose quota is used up. */
function fullDisk(failures: number) {
  const factory = new IDBFactory()
  const state = { failures, writes: 0 }
  const open = factory.open.bind(factory)
  factory.open = (...args: Parameters<IDBFactory['open']>) => {
    const request = open(...args)
    request.addEventListener('success', () => {
      const db = request.result
      const transaction = db.transaction.bind(db)
      db.transaction = (...how: Parameters<IDBDatabase['transaction']>) => {
        const made = transaction(...how)
        if (how[1] !== 'readwrite') return made
        state.writes += 1
        if (state.failures > 0) {
          state.failures -= 1
          queueMicrotask(() => made.abort())
        }
        return made
      }
    })
    return request
  }
  return { factory, state }
}

test('what could not be written is told, and written with what comes next; newer rows win', async () => {
  const { factory, state } = fullDisk(1)
  const tables = await openIdbTables(factory, 'db')
  const rows = tables.open<{ n: number }>('t')
  rows.set('a', { n: 1 })
  rows.set('b', { n: 1 })
  await expect(tables.durable()).rejects.toThrow(/quota/)
  rows.set('a', { n: 2 })
  rows.delete('b')
  await tables.durable()
  expect(state.failures).toBe(0)
  tables.close()
  const again = (await openIdbTables(factory, 'db')).open<{ n: number }>('t')
  expect([...again]).toEqual([['a', { n: 2 }]])
})

test('a failed write is tried again when somebody needs it, without a new change', async () => {
  const { factory } = fullDisk(2)
  const tables = await openIdbTables(factory, 'db')
  tables.open<{ n: number }>('t').set('a', { n: 1 })
  await expect(tables.durable()).rejects.toThrow()
  await expect(tables.durable()).rejects.toThrow()
  await expect(tables.durable()).resolves.toBeUndefined()
})

test('one turn is one transaction, rows keep the order of their first insertion, tables stay apart', async () => {
  const { factory, state } = fullDisk(0)
  const tables = await openIdbTables(factory, 'db')
  const [t, u] = [tables.open<{ n: number }>('t'), tables.open<{ n: number }>('u')]
  for (const n of [3, 1, 2]) t.set(String(n), { n })
  u.set('3', { n: 30 })
  t.set('3', { n: 33 })
  await tables.durable()
  expect(state.writes).toBe(1)
  const again = await openIdbTables(factory, 'db')
  expect([...again.open<{ n: number }>('t').values()]).toEqual([{ n: 33 }, { n: 1 }, { n: 2 }])
  expect([...again.open<{ n: number }>('u').values()]).toEqual([{ n: 30 }])
})

test('rows are replaced, not changed: a stored row is frozen', async () => {
  const tables = await openIdbTables(new IDBFactory(), 'db')
  const row = { n: 1 }
  tables.open<{ n: number }>('t').set('a', row)
  expect(() => {
    row.n = 2
  }).toThrow(TypeError)
})

test('nothing leaves the outbox before it is kept, and `send` waits for it', async () => {
  await using relay = await startRelay()
  const { url } = relay
  let keep = () => {}
  const kept = new Promise<void>(resolve => {
    keep = resolve
  })
  const sender = await memoryAgent(alice, url, { store: { ...createMemoryMailStore(), durable: () => kept } })
  const receiver = await memoryAgent(bob, url)
  await Promise.all([sender.sync(), receiver.sync()])
  let resolved = false
  const sending = sender.send('bob', 'careful').then(id => {
    resolved = true
    return id
  })
  // A message of somebody else goes all the way meanwhile: ours had the time.
  await receiver.stored(await receiver.send('alice', 'quick'))
  await eventually('alice has it', () => sender.inbox().length === 1)
  expect([resolved, receiver.inbox().length, sender.status().queue]).toEqual([false, 0, 1])
  keep()
  await sender.stored(await sending)
  await eventually('bob has it', () => receiver.inbox().length === 1)
})

test('a full disk delays mail and loses none', async () => {
  await using relay = await startRelay()
  const { url } = relay
  const { factory, state } = fullDisk(0)
  const store = await openIdbMailStore('posthorn/alice', factory)
  const sender = await memoryAgent(alice, url, { store, speed: 20 })
  await sender.sync()
  await store.durable?.()
  state.failures = 3
  await expect(sender.send('bob', 'when there is room')).rejects.toThrow(/quota/)
  await eventually('it is sent', () => sender.status().queue === 0)
  expect(state.failures).toBe(0)
})
