import { statSync } from 'node:fs'
import { join } from 'node:path'
import { IDBFactory } from 'fake-indexeddb'
import { createMemoryMailStore, type MailStore } from 'posthorn'
import { describe, expect, test } from 'vitest'
import { openIdbMailStore } from '#dist/sdk/browser/idb-mail-store.js'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import type { Mail } from '#dist/sdk/mail/store.js'
import { tempDir } from '../helpers/temp-dir.ts'

const id = (n: number) => n.toString(16).padStart(64, '0')
const mail = (n: number, more: Partial<Mail> = {}): Mail => ({
  id: id(n),
  from: 'a'.repeat(64),
  text: `text ${n}`,
  act: 'request',
  at: 1_700_000_000 + n,
  private: true,
  relay: 'ws://r',
  event: '{}',
  ...more,
})
const feed = { relay: 'ws://r', filter: 'f' }
const [A, B] = ['0000000000010000', '0000000000020000'] as const

/** `reopen` gives the same mail again after a crash or restart; memory mail is one object for ever. */
interface Subject {
  store: MailStore
  reopen(): MailStore | Promise<MailStore>
}
const subjects: [string, () => Subject | Promise<Subject>][] = [
  [
    'memory',
    () => {
      const store = createMemoryMailStore()
      return { store, reopen: () => store }
    },
  ],
  [
    'sqlite',
    () => {
      const path = join(tempDir(), 'mail.db')
      const store = openSqliteMailStore(path)
      let last = store
      return {
        store,
        reopen() {
          last.close()
          last = openSqliteMailStore(path)
          return last
        },
      }
    },
  ],
  [
    'indexeddb',
    async () => {
      const factory = new IDBFactory()
      const store = await openIdbMailStore('posthorn/test', factory)
      let last = store
      return {
        store,
        async reopen() {
          await last.durable?.()
          last.close()
          last = await openIdbMailStore('posthorn/test', factory)
          return last
        },
      }
    },
  ],
]

describe.each(subjects)('mail store: %s', (_, make) => {
  test('keeps a message once, in arrival order, every field', async () => {
    const { store, reopen } = await make()
    const full = mail(1, { root: id(7), replyTo: id(8), contentType: 'text/plain', deadline: 5, seq: 9, error: 'e' })
    expect(store.record({ feed, mail: [full, mail(2), full] }).map(each => each.ordinal)).toEqual([1, 2])
    expect(store.record({ feed, mail: [mail(2, { text: 'forged twin' }), mail(3)] }).map(each => each.id)).toEqual([
      id(3),
    ])
    const again = await reopen()
    expect(again.get(id(1))).toMatchObject({ ...full, read: false, state: 'new', attempts: 0 })
    expect(again.list({}).map(each => each.text)).toEqual(['text 1', 'text 2', 'text 3'])
    expect(again.get(id(2))).not.toHaveProperty('root')
  })

  test('position and mail move together; the most recently told comes first; eight per scope', async () => {
    const { store, reopen } = await make()
    store.record({ feed, mail: [mail(1)], position: { scope: '', epoch: A, seq: 5 } })
    store.record({ feed, mail: [], position: { scope: '', epoch: B, seq: 7 } })
    store.record({ feed, mail: [], position: { scope: 'x', epoch: A, seq: 1 } })
    store.record({ feed, mail: [], position: { scope: '', epoch: A, seq: 6 } })
    const again = await reopen()
    expect(again.positions(feed)).toEqual([
      { scope: '', epoch: A, seq: 6 },
      { scope: 'x', epoch: A, seq: 1 },
      { scope: '', epoch: B, seq: 7 },
    ])
    expect(again.positions({ ...feed, filter: 'other' })).toEqual([])
  })

  test('eight past epochs are kept per scope', async () => {
    const { store } = await make()
    for (let n = 1; n <= 12; n += 1)
      store.record({ feed, mail: [], position: { scope: '', epoch: id(n).slice(48), seq: n } })
    expect(store.positions(feed).map(({ seq }) => seq)).toEqual([12, 11, 10, 9, 8, 7, 6, 5])
  })

  test('lists by unread, sender and newest; finds by prefix; reads once', async () => {
    const { store } = await make()
    store.record({ feed, mail: [mail(1), mail(2, { from: 'b'.repeat(64) }), mail(0x20), mail(3)] })
    store.markRead(id(1))
    expect(store.list({ unread: true }).map(each => each.id)).toEqual([id(2), id(0x20), id(3)])
    expect(store.list({ limit: 2 }).map(each => each.id)).toEqual([id(0x20), id(3)])
    expect(store.list({ from: 'b'.repeat(64) }).map(each => each.id)).toEqual([id(2)])
    expect(store.find(id(2).slice(0, 63), 5).map(each => each.id)).toEqual([id(1), id(2), id(3)])
    expect(store.counts()).toEqual({ queue: 0, unread: 3 })
    expect(store.unreadSenders().toSorted()).toEqual(['a'.repeat(64), 'b'.repeat(64)])
  })

  test('work: oldest first, failed only when due, senders restricted, interrupted work falls due', async () => {
    const { store, reopen } = await make()
    store.record({ feed, mail: [mail(1, { from: 'b'.repeat(64) }), mail(2), mail(3, { act: 'query' })] })
    const next = (nowMs: number, from?: string[]) =>
      store.nextWork({ act: 'request', nowMs, ...(from ? { from } : {}) })?.id
    expect(next(0)).toBe(id(1))
    expect(next(0, ['a'.repeat(64)])).toBe(id(2))
    expect(next(0, [])).toBeUndefined()
    expect(store.beginWork(id(1))).toBe(1)
    expect(next(0)).toBe(id(2))
    store.endWork(id(1), { state: 'failed', error: 'why', dueMs: 100 })
    expect(store.nextDueMs()).toBe(100)
    expect([next(99), next(100)]).toEqual([id(2), id(1)])
    expect(store.beginWork(id(1))).toBe(2)
    const again = await reopen()
    expect(again.reopenWork()).toBe(1)
    expect(again.get(id(1))).toMatchObject({ state: 'failed', attempts: 2, error: 'interrupted' })
    again.endWork(id(1), { state: 'failed', attempts: 1 })
    expect(again.get(id(1))?.attempts).toBe(1)
  })

  test('the end of work and its reply are one transaction; what is done is read', async () => {
    const { store, reopen } = await make()
    store.record({ feed, mail: [mail(1)] })
    store.beginWork(id(1))
    store.endWork(id(1), { state: 'done' }, { id: id(50), to: 'c'.repeat(64), event: '{"r":1}' })
    const again = await reopen()
    expect(again.get(id(1))).toMatchObject({ state: 'done', read: true })
    expect(again.queued(0, 9)).toEqual([{ ordinal: 1, id: id(50), to: 'c'.repeat(64), event: '{"r":1}' }])
  })

  test('unhandled: unread, new, of other acts', async () => {
    const { store } = await make()
    store.record({ feed, mail: [mail(1), mail(2, { act: 'dance' }), mail(3, { act: 'dance', from: 'b'.repeat(64) })] })
    expect(store.unhandled({ except: ['request'], limit: 9 }).map(each => each.id)).toEqual([id(2), id(3)])
    expect(store.unhandled({ except: ['request'], from: ['b'.repeat(64)], limit: 9 }).map(each => each.id)).toEqual([
      id(3),
    ])
    store.markRead(id(2))
    expect(store.unhandled({ except: ['request'], limit: 9 }).map(each => each.id)).toEqual([id(3)])
  })

  test('replies after an ordinal', async () => {
    const { store } = await make()
    store.record({ feed, mail: [mail(1, { replyTo: id(9) }), mail(2), mail(3, { replyTo: id(9) })] })
    expect(store.repliesTo(id(9), 0).map(each => each.id)).toEqual([id(1), id(3)])
    expect(store.repliesTo(id(9), 1).map(each => each.id)).toEqual([id(3)])
  })

  test('outbox: queued once and unchanged, settled, offered again above a position', async () => {
    const { store, reopen } = await make()
    const to = 'c'.repeat(64)
    for (let n = 1; n <= 4; n += 1)
      store.enqueue({ id: id(n), to, event: `{"n":${n}}`, ...(n === 4 ? { expires: 9 } : {}) })
    store.enqueue({ id: id(1), to, event: 'another' })
    expect(store.queued(1, 2).map(each => each.ordinal)).toEqual([2, 3])
    expect(store.queued(3, 9)).toEqual([{ ordinal: 4, id: id(4), to, event: '{"n":4}', expires: 9 }])
    store.settle([
      { id: id(1), state: 'stored', relay: 'ws://r', seq: 10, epoch: A },
      { id: id(2), state: 'stored', relay: 'ws://r', seq: 4, epoch: B },
      { id: id(3), state: 'refused', relay: 'ws://r', reason: 'invalid: no' },
      { id: id(4), state: 'expired' },
    ])
    const again = await reopen()
    expect([1, 2, 3, 4, 5].map(n => again.delivery(id(n)))).toEqual([
      { state: 'stored', relay: 'ws://r', seq: 10 },
      { state: 'stored', relay: 'ws://r', seq: 4 },
      { state: 'refused', relay: 'ws://r', reason: 'invalid: no' },
      { state: 'expired' },
      undefined,
    ])
    expect(again.lastAcknowledged('ws://r')).toEqual({ epoch: B, seq: 4 })
    expect(again.lastAcknowledged('ws://other')).toBeUndefined()
    expect(again.recipient(id(1))).toBe(to)
    expect(again.reoffer('ws://other', 0)).toBe(0)
    expect(again.reoffer('ws://r', 4)).toBe(1)
    expect(again.queued(0, 9)).toEqual([{ ordinal: 1, id: id(1), to, event: '{"n":1}' }])
  })
})

test('the SQLite file is the owner’s alone, with its journal', () => {
  const path = join(tempDir(), 'mail.db')
  const store = openSqliteMailStore(path)
  store.record({ feed, mail: [mail(1)] })
  for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(statSync(file).mode & 0o077).toBe(0)
  const view = openSqliteMailStore(path, { readonly: true })
  expect(view.list({}).length).toBe(1)
  expect(() => view.markRead(id(1))).toThrow()
  view.close()
  store.close()
})

test('a failing batch leaves neither mail nor position', () => {
  const store = openSqliteMailStore(join(tempDir(), 'mail.db'))
  const broken = mail(2, { text: undefined as unknown as string })
  expect(() => store.record({ feed, mail: [mail(1), broken], position: { scope: '', epoch: A, seq: 2 } })).toThrow()
  expect([store.list({}), store.positions(feed)]).toEqual([[], []])
  store.close()
})
