import { statSync } from 'node:fs'
import { join } from 'node:path'
import { IDBFactory } from 'fake-indexeddb'
import { createMemoryMailStore, type MailStore } from 'posthorn'
import { describe, expect, test } from 'vitest'
import { openIdbMailStore } from '#dist/sdk/browser/idb-mail-store.js'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { KEPT_SEEN, SEEN_SLACK } from '#dist/sdk/mail/memory-seen.js'
import type { Mail } from '#dist/sdk/mail/store.js'
import type { Receipt } from '#dist/sdk/mail/types.js'
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
const [A, B, C] = ['0000000000010000', '0000000000020000', '0000000000030000'] as const

/** Nothing is old enough to be let go. */
const NEVER = { nowMs: 0, storedBeforeMs: 0, concludedBeforeMs: 0, heardBeforeMs: 0, settledBeforeMs: 0 }

/** As the outbox does it. */
const readdress = (
  store: MailStore,
  to: string,
  reads: readonly string[],
  settledAfterMs: number,
  fallback: readonly string[] = [],
  nowMs = 0,
) =>
  store
    .awaitingFrom(to, 0, 100)
    .filter(({ settledMs }) => settledMs === undefined || settledMs > settledAfterMs)
    .filter(({ id: one }) => store.address(one, reads, fallback, nowMs))
    .map(({ id: one }) => one)

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
    const second = store.get(id(2))?.ordinal ?? 0
    expect(store.list({ after: second }).map(each => each.id)).toEqual([id(0x20), id(3)])
    expect(store.list({ after: second, limit: 1 }).map(each => each.id)).toEqual([id(0x20)])
    expect(store.list({ after: 0, unread: true, limit: 2 }).map(each => each.id)).toEqual([id(2), id(0x20)])
    expect(store.list({ from: 'b'.repeat(64) }).map(each => each.id)).toEqual([id(2)])
    expect(store.find(id(2).slice(0, 63), 5).map(each => each.id)).toEqual([id(1), id(2), id(3)])
    expect(store.counts()).toEqual({ queue: 0, unread: 3, undelivered: 0, failed: 0 })
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
    store.endWork(id(1), { state: 'done' }, [{ id: id(50), to: 'c'.repeat(64), event: '{"r":1}' }])
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
    store.settle(
      [
        { id: id(1), state: 'stored', relay: 'ws://r', seq: 10, epoch: A },
        { id: id(2), state: 'stored', relay: 'ws://r', seq: 4, epoch: B },
        { id: id(3), state: 'refused', relay: 'ws://r', reason: 'invalid: no' },
        { id: id(4), state: 'expired' },
      ],
      1_000,
    )
    const again = await reopen()
    expect([1, 2, 3, 4, 5].map(n => again.delivery(id(n)))).toEqual([
      { state: 'stored', relay: 'ws://r', seq: 10 },
      { state: 'stored', relay: 'ws://r', seq: 4 },
      { state: 'refused', relay: 'ws://r', reason: 'invalid: no' },
      { state: 'expired' },
      undefined,
    ])
    expect(again.acknowledged('ws://r')).toEqual([
      { epoch: A, seq: 10 },
      { epoch: B, seq: 4 },
    ])
    expect(again.acknowledged('ws://other')).toEqual([])
    expect(again.recipient(id(1))).toBe(to)
    expect(again.findSent(id(1).slice(0, 62), 2)).toHaveLength(2)
    expect(again.findSent(id(1), 2)).toEqual([again.sent(id(1))])
    expect(again.findSent('ffff', 2)).toEqual([])
    expect(again.carryOver('ws://other', { from: A, to: B, upTo: 0 })).toBe(0)
    expect(again.carryOver('ws://r', { from: A, to: B, upTo: 4 })).toBe(1)
    expect(again.acknowledged('ws://r')).toEqual([{ epoch: B, seq: 4 }])
    expect(again.queued(0, 9)).toEqual([{ ordinal: 1, id: id(1), to, event: '{"n":1}' }])
  })

  test('what a relay acknowledged in one run is carried over to another up to a position, and waits again above it', async () => {
    const { store, reopen } = await make()
    const relay = 'ws://r'
    for (let n = 1; n <= 4; n += 1) {
      store.enqueue({ id: id(n), to: 'c'.repeat(64), event: '{}' })
      store.address(id(n), [relay])
    }
    const stored = { state: 'stored', relay } as const
    store.settle(
      [
        { id: id(1), ...stored, seq: 1, epoch: A },
        { id: id(2), ...stored, seq: 2, epoch: A },
        { id: id(3), ...stored, seq: 9, epoch: B },
        { id: id(4), ...stored, seq: 1 },
      ],
      1,
    )
    const again = await reopen()
    const waiting = () => again.waiting(relay, 0, 9).map(mail => mail.id)
    expect(again.carryOver(relay, { from: A, to: B, upTo: 2 })).toBe(0)
    expect(waiting()).toEqual([])
    expect(again.acknowledged(relay)).toEqual(
      expect.arrayContaining([
        { epoch: B, seq: 9 },
        { epoch: undefined, seq: 1 },
      ]),
    )
    // Said before the run was known: it is nowhere.
    expect(again.carryOver(relay, { from: undefined, to: B, upTo: 0 })).toBe(1)
    expect(waiting()).toEqual([id(4)])
    expect(again.carryOver(relay, { from: B, to: C, upTo: 1 })).toBe(2)
    expect(waiting()).toEqual([id(4), id(2), id(3)])
    expect(again.acknowledged(relay)).toEqual([{ epoch: C, seq: 1 }])
    // Of the one that it still has nothing was heard.
    expect(again.unheard()).toEqual([relay])
    const receipt = { id: id(99), of: id(1), from: 'c'.repeat(64), state: 'received', at: 1, private: false } as const
    again.record({ feed, mail: [], receipts: [receipt] })
    expect(again.unheard()).toEqual([])
  })

  test('who is still waited for, and what is for them, goes to further relays', async () => {
    const { store, reopen } = await make()
    const [to, other] = ['c'.repeat(64), 'd'.repeat(64)]
    for (let n = 1; n <= 4; n += 1) store.enqueue({ id: id(n), to, event: '{}' })
    store.enqueue({ id: id(5), to: other, event: '{}' })
    for (let n = 1; n <= 5; n += 1) store.address(id(n), ['ws://r'])
    const stored = (n: number) => ({ id: id(n), state: 'stored', relay: 'ws://r' }) as const
    store.settle([stored(2), stored(5)], 50)
    store.settle([stored(3), stored(4)], 100)
    const receipt = { id: id(99), of: id(4), from: to, state: 'received', at: 1, private: false } as const
    store.record({ feed, mail: [], receipts: [receipt] })
    const again = await reopen()
    // Of 1 no relay said OK, 2 is long ago, of 4 was heard.
    expect(again.awaiting(50)).toEqual([to])
    expect([...again.awaiting(49)].sort()).toEqual([to, other])
    readdress(again, to, ['ws://r', 'ws://new'], 50)
    expect(again.waiting('ws://new', 0, 9).map(each => each.id)).toEqual([id(1), id(3)])
    expect(again.copies(id(3)).map(({ relay, state }) => [relay, state])).toEqual([
      ['ws://r', 'stored'],
      ['ws://new', 'waiting'],
    ])
    expect(again.delivery(id(3))).toMatchObject({ state: 'stored', relay: 'ws://r' })
    // It reads there no longer: what that relay has is not where it is to be.
    expect(readdress(again, to, ['ws://new'], 50, [], 200)).toEqual([id(3)])
    expect(again.delivery(id(3))).toEqual({ state: 'queued' })
    expect(readdress(again, to, ['ws://r'], 50, [], 200)).toEqual([id(3)])
    expect(again.delivery(id(3))).toMatchObject({ state: 'stored', relay: 'ws://r' })
  })

  test('every field of the envelope; nothing that was not there', async () => {
    const { store, reopen } = await make()
    const envelope = {
      hop: 2,
      priority: 'high',
      schema: 'acme/sum@1',
      budget: { tokens: 5 },
      spent: { tokens: 0 },
      idem: 'k',
      traceparent: '00-1-2-01',
      topic: 'a/b',
      stranger: 'listed',
      receiptDue: true,
    } as const
    store.record({ feed, mail: [mail(1, envelope), mail(2)] })
    const again = await reopen()
    expect(again.get(id(1))).toMatchObject(envelope)
    for (const name of Object.keys(envelope)) expect(again.get(id(2))).not.toHaveProperty(name)
  })

  test('work: priority first, then age; by topic and below it; not from whom it may not be now', async () => {
    const { store } = await make()
    store.record({
      feed,
      mail: [
        mail(1, { priority: 'low' }),
        mail(2),
        mail(3, { priority: 'high', from: 'b'.repeat(64) }),
        mail(4, { topic: 'builds/linux' }),
        mail(5, { topic: 'buildsystem' }),
        mail(6, { stranger: 'held', priority: 'high' }),
      ],
    })
    const next = (more: object = {}) => store.nextWork({ act: 'request', nowMs: 0, ...more })?.id
    expect(next()).toBe(id(3))
    expect(next({ notFrom: ['b'.repeat(64)] })).toBe(id(2))
    store.endWork(id(2), { state: 'failed', dueMs: 0 })
    expect(next({ notFrom: ['b'.repeat(64)] })).toBe(id(2))
    store.endWork(id(2), { state: 'done' })
    expect(next({ notFrom: ['b'.repeat(64)] })).toBe(id(1))
    const on = (...topics: string[]) => store.nextWork({ topics, nowMs: 0 })?.id
    expect([on('builds'), on('builds/linux'), on('build'), on()]).toEqual([id(4), id(4), undefined, undefined])
    expect(on('nothing', 'buildsystem')).toBe(id(5))
    expect(store.unhandled({ except: [], limit: 9 }).map(each => each.id)).toEqual([id(1), id(3)])
  })

  test('receipts count only from the recipient; the newest of each state, terminal last', async () => {
    const { store, reopen } = await make()
    const to = 'c'.repeat(64)
    store.enqueue({ id: id(1), to, event: '{}' })
    const receipt = (n: number, state: Receipt['state'], at: number, more: Partial<Receipt> = {}): Receipt => ({
      id: id(n),
      of: id(1),
      from: to,
      state,
      at,
      private: true,
      ...more,
    })
    const tell = (...receipts: Receipt[]) => store.record({ feed, mail: [], receipts })
    tell(receipt(10, 'done', 1, { from: 'd'.repeat(64) }), receipt(11, 'received', 5, { of: id(2) }))
    expect(store.receipts(id(1))).toEqual([])
    tell(receipt(12, 'failed', 9, { text: 'no luck' }), receipt(13, 'received', 20), receipt(14, 'working', 3))
    tell(receipt(15, 'failed', 8, { text: 'older' }), receipt(12, 'failed', 9, { text: 'forged twin' }))
    expect((await reopen()).receipts(id(1))).toEqual([
      receipt(14, 'working', 3),
      receipt(13, 'received', 20),
      receipt(12, 'failed', 9, { text: 'no luck' }),
    ])
  })

  test('a receipt is due until it is queued, or until a terminal one is', async () => {
    const { store, reopen } = await make()
    store.record({ feed, mail: [1, 2, 3].map(n => mail(n, { receiptDue: true })) })
    store.record({ feed, mail: [mail(4)] })
    const due = (from: MailStore) => from.receiptsDue(9).map(each => each.id)
    expect(store.receiptsDue(1).map(each => each.id)).toEqual([id(1)])
    store.acknowledge([id(1)], [{ id: id(50), to: 'c'.repeat(64), event: '{}' }])
    store.endWork(id(2), { state: 'failed', dueMs: 0 })
    expect(due(store)).toEqual([id(2), id(3)])
    store.endWork(id(2), { state: 'done', receipted: true }, [{ id: id(51), to: 'c'.repeat(64), event: '{}' }])
    const again = await reopen()
    expect(due(again)).toEqual([id(3)])
    expect(again.queued(0, 9).map(each => each.id)).toEqual([id(50), id(51)])
  })

  test('a finished result is found again by sender and key', async () => {
    const { store, reopen } = await make()
    store.record({
      feed,
      mail: [mail(1, { idem: 'k' }), mail(2, { idem: 'k' }), mail(3, { idem: 'k', from: 'b'.repeat(64) })],
    })
    expect(store.finished('a'.repeat(64), 'k')).toBeUndefined()
    const result = { act: 'answer', text: '3', contentType: 'application/json' }
    store.endWork(id(2), { state: 'done', result })
    expect((await reopen()).finished('a'.repeat(64), 'k')).toMatchObject({ id: id(2), result })
    expect((await reopen()).finished('b'.repeat(64), 'k')).toBeUndefined()
  })

  test('strangers: what is held is out of the inbox until it is accepted or released; the dropped are counted', async () => {
    const { store, reopen } = await make()
    const [b, c] = ['b'.repeat(64), 'c'.repeat(64)]
    store.record({
      feed,
      mail: [
        mail(1),
        mail(2, { from: b, stranger: 'listed' }),
        mail(3, { from: b, stranger: 'held' }),
        mail(4, { from: b, stranger: 'held' }),
        mail(5, { from: c, stranger: 'held' }),
      ],
      dropped: [b, c, c],
    })
    expect(store.list({}).map(each => each.id)).toEqual([id(1), id(2)])
    expect(store.list({ held: true }).map(each => each.id)).toEqual([id(3), id(4), id(5)])
    expect(store.counts().unread).toBe(2)
    expect(store.unreadSenders()).not.toContain(c)
    expect(store.strangerCounts(b)).toEqual({ listed: 1, held: 2, allListed: 1, allHeld: 3 })
    expect(store.release(b, 1).map(each => each.id)).toEqual([id(3)])
    const again = await reopen()
    expect(again.strangers().toSorted((x, y) => (x.pubkey < y.pubkey ? -1 : 1))).toEqual([
      { pubkey: b, listed: 2, held: 1, dropped: 1 },
      { pubkey: c, listed: 0, held: 1, dropped: 2 },
    ])
    again.judge(b, 'accepted')
    again.judge(c, 'denied')
    expect(again.judged('accepted')).toEqual([b])
    expect(again.list({}).map(each => each.id)).toEqual([id(1), id(2), id(3), id(4)])
    expect(again.list({ held: true })).toEqual([])
    expect(again.strangers().find(each => each.pubkey === c)).toEqual({
      pubkey: c,
      listed: 0,
      held: 0,
      dropped: 2,
      verdict: 'denied',
    })
    again.judge(c, undefined)
    expect(again.judged('denied')).toEqual([])
  })

  test('more strangers than are counted one by one are counted together', async () => {
    const { store } = await make()
    store.record({ feed, mail: [], dropped: Array.from({ length: 1_005 }, (_, n) => id(n + 1)) })
    expect(store.strangers().length).toBe(1_001)
    expect(store.strangers().find(({ pubkey }) => pubkey === '')?.dropped).toBe(5)
  })

  test('what was seen and is no message is remembered once, across restarts', async () => {
    const { store, reopen } = await make()
    expect(store.seen()).toEqual({ events: [], since: 0 })
    const [first, second] = [
      { id: id(1), at: 20 },
      { id: id(2), at: 10 },
    ]
    store.record({ feed, mail: [mail(3)], seen: [first, second] })
    store.record({ feed, mail: [], seen: [{ ...first, at: 30 }] })
    const { events, since } = (await reopen()).seen()
    expect([since, events.toSorted((a, b) => a.at - b.at)]).toEqual([0, [second, first]])
  })

  test('dead letters: set aside and tried again or dismissed; refused and sent again or forgotten', async () => {
    const { store, reopen } = await make()
    store.record({ feed, mail: [mail(1), mail(2), mail(3)] })
    for (const n of [1, 2]) {
      store.beginWork(id(n))
      store.endWork(id(n), { state: 'set-aside', error: 'why' })
    }
    expect(store.list({ state: 'set-aside' }).map(each => each.id)).toEqual([id(1), id(2)])
    expect([store.retry(id(1)), store.dismiss(id(2)), store.retry(id(3)), store.dismiss(id(3))]).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect((await reopen()).get(id(1))).toMatchObject({ state: 'new', attempts: 0 })
    expect((await reopen()).get(id(2))).toMatchObject({ state: 'dropped', read: true })
  })

  test('copies: one per relay; stored by the first, refused by the last, each going its own way', async () => {
    const { store, reopen } = await make()
    const to = 'c'.repeat(64)
    for (let n = 1; n <= 3; n += 1) store.enqueue({ id: id(n), to, event: `{"n":${n}}` })
    expect(store.unaddressed(0, 9).map(each => each.ordinal)).toEqual([1, 2, 3])
    store.address(id(2), ['ws://a', 'ws://b'])
    store.address(id(1), ['ws://a', 'ws://b', 'ws://a'])
    store.address(id(1), ['ws://b'])
    store.address(id(9), ['ws://a'])
    expect(store.unaddressed(0, 9).map(each => each.id)).toEqual([id(3)])
    expect(store.waiting('ws://a', 0, 9).map(each => each.id)).toEqual([id(2), id(1)])
    const [first] = store.waiting('ws://a', 0, 1)
    expect(first).toMatchObject({ id: id(2), to, event: '{"n":2}' })
    expect(store.waiting('ws://a', first?.place ?? 0, 9).map(each => each.id)).toEqual([id(1)])
    expect(store.waitingRelays().toSorted()).toEqual(['ws://a', 'ws://b'])

    const said = (n: number, relay: string, seq: number) =>
      ({ id: id(n), state: 'stored', relay, seq, epoch: A }) as const
    const refused = (n: number, relay: string) =>
      ({ id: id(n), state: 'refused', relay, reason: 'invalid: no' }) as const
    expect(store.settle([refused(1, 'ws://a'), said(2, 'ws://b', 7), said(2, 'ws://a', 9)], 1_000)).toEqual([id(2)])
    expect(store.delivery(id(1))).toEqual({ state: 'queued' })
    expect(store.delivery(id(2))).toEqual({ state: 'stored', relay: 'ws://b', seq: 7 })
    expect(store.settle([refused(1, 'ws://b')], 1_000)).toEqual([id(1)])
    const again = await reopen()
    expect(again.delivery(id(1))).toEqual({ state: 'refused', relay: 'ws://b', reason: 'invalid: no' })
    expect(again.copies(id(2))).toEqual([
      { relay: 'ws://a', state: 'stored', seq: 9 },
      { relay: 'ws://b', state: 'stored', seq: 7 },
    ])
    expect(again.waitingRelays()).toEqual([])

    // One relay has lost its copy: it is offered again, and the message stands as the other stored it.
    expect(again.carryOver('ws://b', { from: A, to: B, upTo: 6 })).toBe(1)
    expect(again.delivery(id(2))).toEqual({ state: 'stored', relay: 'ws://a', seq: 9 })
    expect(again.waiting('ws://b', 0, 9).map(each => each.id)).toEqual([id(2)])
    expect(again.carryOver('ws://a', { from: A, to: B, upTo: 0 })).toBe(1)
    expect(again.delivery(id(2))).toEqual({ state: 'queued' })
  })

  test('copies given to be sure decide nothing while another relay of the recipient is known', async () => {
    const { store, reopen } = await make()
    const to = 'c'.repeat(64)
    for (let n = 1; n <= 4; n += 1) store.enqueue({ id: id(n), to, event: '{}' })
    for (let n = 1; n <= 3; n += 1) store.address(id(n), ['ws://theirs'], ['ws://own'])
    // Nothing is known of it: what one's own relay has is all there is to say.
    store.address(id(4), [], ['ws://own'])
    const own = (n: number) => ({ id: id(n), state: 'stored', relay: 'ws://own', seq: n }) as const
    expect(store.settle([1, 2, 3, 4].map(own), 1_000)).toEqual([id(4)])
    expect([store.counts().queue, store.delivery(id(1))]).toEqual([3, { state: 'queued' }])
    const busy = { id: id(1), state: 'waiting', relay: 'ws://theirs', reason: 'rate-limited: later' } as const
    expect(store.settle([busy], 1_000)).toEqual([])
    expect(store.copies(id(1))).toEqual([
      { relay: 'ws://theirs', state: 'waiting', reason: 'rate-limited: later' },
      { relay: 'ws://own', state: 'stored', seq: 1, fallback: true },
    ])
    const reason = 'blocked: no'
    expect(store.settle([{ id: id(2), state: 'refused', relay: 'ws://theirs', reason }], 2_000)).toEqual([id(2)])
    expect(store.delivery(id(2))).toEqual({ state: 'refused', relay: 'ws://theirs', reason })
    expect(store.settle([{ id: id(3), state: 'stored', relay: 'ws://theirs' }], 2_000)).toEqual([id(3)])
    expect(store.delivery(id(3))).toEqual({ state: 'stored', relay: 'ws://theirs' })
    const again = await reopen()
    expect(again.waiting('ws://theirs', 0, 9).map(mail => mail.id)).toEqual([id(1)])
    expect(again.counts()).toMatchObject({ queue: 1, undelivered: 1 })
    // One is found for the fourth: it is still owed there. For the refused one another: it is no dead letter any more.
    expect([...readdress(again, to, ['ws://new'], 0, [], 3_000)].sort()).toEqual([id(2), id(3), id(4)])
    expect(again.counts()).toMatchObject({ queue: 4, undelivered: 0 })
    // One's own was right after all.
    expect([...readdress(again, to, ['ws://own'], 0, [], 4_000)].sort()).toEqual([1, 2, 3, 4].map(id))
    expect(again.delivery(id(4))).toEqual({ state: 'stored', relay: 'ws://own', seq: 4 })
    expect(again.counts()).toMatchObject({ queue: 0, undelivered: 0 })
    // It has lost it.
    expect(again.carryOver('ws://own', { from: undefined, to: B, upTo: 0 })).toBe(4)
    expect(again.counts().queue).toBe(4)
  })

  test('a receipt takes a dead letter back: its recipient has it', async () => {
    const { store } = await make()
    const to = 'c'.repeat(64)
    for (const n of [1, 2]) {
      store.enqueue({ id: id(n), to, event: '{}' })
      store.address(id(n), ['ws://a'])
    }
    store.settle([{ id: id(1), state: 'refused', relay: 'ws://a', reason: 'blocked: no' }], 1)
    store.settle([{ id: id(2), state: 'undeliverable', reason: 'undeliverable: x' }], 1)
    const receipt = (n: number) =>
      ({ id: id(90 + n), of: id(n), from: to, state: 'received', at: 1, private: false }) as const
    store.record({ feed, mail: [], receipts: [receipt(1), receipt(2)], nowMs: 2_000 })
    expect([1, 2].map(n => store.delivery(id(n))?.state)).toEqual(['received', 'received'])
    expect(store.counts()).toMatchObject({ queue: 0, undelivered: 0 })
    expect(store.refused()).toEqual([])
  })

  test('a deadline ends the waiting of every copy, and the message only if it was never stored', async () => {
    const { store } = await make()
    const to = 'c'.repeat(64)
    for (let n = 1; n <= 2; n += 1) {
      store.enqueue({ id: id(n), to, event: '{}', expires: 5 })
      store.address(id(n), ['ws://a', 'ws://b'])
    }
    store.settle([{ id: id(1), state: 'stored', relay: 'ws://a', seq: 1, epoch: A }], 1)
    const expired = [1, 2].map(n => ({ id: id(n), state: 'expired' }) as const)
    expect(store.settle(expired, 2)).toEqual([id(2)])
    expect([1, 2].map(n => store.delivery(id(n))?.state)).toEqual(['stored', 'expired'])
    expect([store.waiting('ws://a', 0, 9), store.waiting('ws://b', 0, 9)]).toEqual([[], []])
  })

  test('relay notes: the last one of each key, the oldest of too many go', async () => {
    const { store, reopen } = await make()
    expect(store.relayNote(id(1))).toBeUndefined()
    store.keepRelayNote(id(1), { text: 'a', askedMs: 1 })
    for (let n = 2; n <= 1_000; n += 1) store.keepRelayNote(id(n), { text: 'x', askedMs: n })
    store.keepRelayNote(id(1), { text: 'b', askedMs: 9_000 })
    store.keepRelayNote(id(1_001), { text: 'y', askedMs: 9_001 })
    const again = await reopen()
    expect([1, 2, 3, 1_001].map(n => again.relayNote(id(n))?.text)).toEqual(['b', undefined, 'x', 'y'])
    expect(again.relayNote(id(1))).toEqual({ text: 'b', askedMs: 9_000 })
  })

  test('pruned: copies nobody took in time, then the message; what is still queued stays', async () => {
    const { store, reopen } = await make()
    const to = 'c'.repeat(64)
    for (let n = 1; n <= 3; n += 1) {
      store.enqueue({ id: id(n), to, event: '{}' })
      store.address(id(n), ['ws://a', 'ws://b'])
    }
    const settle = (n: number, nowMs: number) =>
      store.settle([{ id: id(n), state: 'stored', relay: 'ws://a', seq: n, epoch: A }], nowMs)
    settle(1, 100)
    settle(2, 200)
    const before = { ...NEVER, storedBeforeMs: 100 }
    // The one that is queued begins to wait.
    expect([store.prune(before, 9), store.prune(before, 9)]).toEqual([1, 0])
    expect(store.prune({ ...before, storedBeforeMs: 201, settledBeforeMs: 101 }, 9)).toBeGreaterThan(0)
    const again = await reopen()
    expect([1, 2, 3].map(n => again.delivery(id(n))?.state)).toEqual([undefined, 'stored', 'queued'])
    expect(again.copies(id(1))).toEqual([])
    expect(again.copies(id(2)).map(({ state }) => state)).toEqual(['stored'])
    expect(again.waiting('ws://b', 0, 9).map(each => each.id)).toEqual([id(3)])
  })

  test('a receipt ends what waits; what was heard of goes earlier, what is concluded first', async () => {
    const { store, reopen } = await make()
    const to = 'c'.repeat(64)
    for (let n = 1; n <= 4; n += 1) {
      store.enqueue({ id: id(n), to, event: '{}' })
      store.address(id(n), ['ws://a', 'ws://b'])
      if (n < 4) store.settle([{ id: id(n), state: 'stored', relay: 'ws://a' }], 100)
    }
    const told = (of: number, state: 'received' | 'done') =>
      ({ id: id(90 + of), of: id(of), from: to, state, at: 1, private: false }) as const
    store.record({
      feed,
      mail: [],
      receipts: [told(1, 'received'), told(2, 'done'), told(4, 'received')],
      nowMs: 5_000,
    })
    expect(store.waiting('ws://b', 0, 9).map(each => each.id)).toEqual([id(3)])
    expect([store.waiting('ws://a', 0, 9), store.counts().queue]).toEqual([[], 0])
    expect(store.delivery(id(4))).toEqual({ state: 'received', at: 5 })
    // The OK that comes after it tells where.
    expect(store.settle([{ id: id(4), state: 'stored', relay: 'ws://a' }], 6_000)).toEqual([id(4)])
    expect(store.prune({ ...NEVER, concludedBeforeMs: 5_000, heardBeforeMs: 5_000 }, 9)).toBe(0)
    expect(store.prune({ ...NEVER, concludedBeforeMs: 5_001 }, 9)).toBe(1)
    expect(store.delivery(id(2))).toBeUndefined()
    expect(store.prune({ ...NEVER, heardBeforeMs: 6_001 }, 9)).toBe(2)
    const again = await reopen()
    expect([1, 3, 4].map(n => again.delivery(id(n))?.state)).toEqual([undefined, 'stored', undefined])
  })

  test('overdue: counted from when it was first seen waiting, deadlines apart; a dead letter that may be tried again', async () => {
    const { store, reopen } = await make()
    const to = 'c'.repeat(64)
    store.enqueue({ id: id(1), to, event: '{}' })
    store.enqueue({ id: id(2), to, event: '{}', expires: 9 })
    store.address(id(1), ['ws://a'])
    const see = (on: MailStore, nowMs: number) => on.prune({ ...NEVER, nowMs }, 9)
    expect(store.overdue(1_001, 9)).toEqual([])
    expect([see(store, 1_000), see(store, 2_000)]).toEqual([1, 0])
    expect(store.overdue(1_000, 9)).toEqual([])
    expect(store.overdue(1_001, 9)).toEqual([id(1)])
    expect(store.settle([{ id: id(1), state: 'undeliverable', reason: 'undeliverable: x' }], 2_000)).toEqual([id(1)])
    const again = await reopen()
    expect(again.delivery(id(1))).toEqual({ state: 'undeliverable', reason: 'undeliverable: x' })
    expect([again.waiting('ws://a', 0, 9), again.refused().map(each => each.id)]).toEqual([[], [id(1)]])
    expect(again.requeue(id(1))).toBe(true)
    expect(again.unaddressed(0, 9).map(each => each.id)).toContain(id(1))
    expect(see(again, 3_000)).toBe(1)
    expect(again.overdue(3_000, 9)).toEqual([])
    expect(again.overdue(3_001, 9)).toEqual([id(1)])
    again.settle([{ id: id(1), state: 'undeliverable', reason: 'undeliverable: x' }], 4_000)
    expect(again.settle([{ id: id(1), state: 'stored', relay: 'ws://a' }], 5_000)).toEqual([id(1)])
    expect(again.forget(id(1))).toBe(false)
  })

  test('copies stand in the order they were addressed; those that wait again stand last', async () => {
    const { store, reopen } = await make()
    store.enqueue({ id: id(1), to: 'c'.repeat(64), event: '{}' })
    store.address(id(1), ['ws://c'], [])
    store.settle([{ id: id(1), state: 'refused', relay: 'ws://c', reason: 'blocked: x' }], 1_000)
    store.address(id(1), ['ws://b', 'ws://a'], [], 1_000)
    store.settle([{ id: id(1), state: 'refused', relay: 'ws://b', reason: 'blocked: x' }], 1_000)
    const relays = (on: MailStore) => on.copies(id(1)).map(({ relay }) => relay)
    expect(relays(store)).toEqual(['ws://c', 'ws://b', 'ws://a'])
    expect(store.requeue(id(1))).toBe(true)
    const queuedAgain = relays(store)
    expect(relays(await reopen())).toEqual(queuedAgain)
    expect(queuedAgain).toEqual(['ws://a', 'ws://c', 'ws://b'])
  })

  test('another event takes the place of one that no relay has, at every relay it waits for; of no other', async () => {
    const { store, reopen } = await make()
    const to = 'c'.repeat(64)
    for (const n of [1, 2]) {
      store.enqueue({ id: id(n), to, event: '{"old":1}', seal: '{"inside":1}' })
      store.address(id(n), ['ws://a', 'ws://b'])
    }
    store.settle([{ id: id(2), state: 'stored', relay: 'ws://a' }], 1_000)
    expect([1, 2, 3].map(n => store.redate(id(n), '{"new":1}'))).toEqual([true, false, false])
    const again = await reopen()
    for (const url of ['ws://a', 'ws://b'])
      expect(again.waiting(url, 0, 9)[0]).toMatchObject({ id: id(1), event: '{"new":1}' })
    expect(again.sent(id(2))?.event).toBe('{"old":1}')
    expect(again.sent(id(1))?.seal).toBe('{"inside":1}')
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

test.each(subjects.slice(0, 2))(
  '%s: of too many that were seen the oldest go, and it is told from where on all are there',
  async (_, make) => {
    const { store } = await make()
    // Not in order of their own time.
    const seen = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, n) => ({ id: id(from + n), at: 100_000 - from - n }))
    store.record({ feed, mail: [], seen: seen(0, KEPT_SEEN + SEEN_SLACK - 1) })
    expect(store.seen().events).toHaveLength(KEPT_SEEN + SEEN_SLACK - 1)
    store.record({ feed, mail: [], seen: seen(KEPT_SEEN + SEEN_SLACK - 1, KEPT_SEEN + SEEN_SLACK) })
    const { events, since } = store.seen()
    expect([events.length, since]).toEqual([KEPT_SEEN, 100_000 - KEPT_SEEN + 1])
    expect(events.some(each => each.id === id(0))).toBe(true)
  },
)
