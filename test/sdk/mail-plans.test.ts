import { join } from 'node:path'
import type { MailStore } from 'posthorn'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Database, loadDriver, type Statement } from '#dist/platform/sqlite-driver.js'
import { MAIL_MIGRATIONS } from '#dist/sdk/home/mail-schema.js'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { tempDir } from '../helpers/temp-dir.ts'
import { change, diceOf, id, mailOf, SENDERS } from './mail-history.ts'

const Driver = loadDriver()
const prepare = Driver.prototype.prepare as (this: Database, sql: string) => Statement
/** Every statement that was prepared, and how often each was run; rows that came out of it. */
const runs = new Map<string, number>()
let rows = 0

beforeEach(() => {
  runs.clear()
  rows = 0
  Driver.prototype.prepare = function (this: Database, sql: string) {
    const statement = prepare.call(this, sql)
    const text = sql.replaceAll(/\s+/g, ' ').trim()
    if (!runs.has(text)) runs.set(text, 0)
    const { run, get, all, iterate } = statement
    const counted =
      <A extends unknown[], R>(call: (...args: A) => R, size: (result: R) => number) =>
      (...args: A) => {
        runs.set(text, (runs.get(text) ?? 0) + 1)
        const result = call.apply(statement, args)
        rows += size(result)
        return result
      }
    return Object.assign(statement, {
      run: counted(run, ({ changes }) => changes),
      get: counted(get, row => (row === undefined ? 0 : 1)),
      all: counted(all, found => found.length),
      *iterate(...args: unknown[]) {
        runs.set(text, (runs.get(text) ?? 0) + 1)
        for (const row of iterate.apply(statement, args)) {
          rows += 1
          yield row
        }
      },
    })
  }
})
afterEach(() => {
  Driver.prototype.prepare = prepare
})

const feed = { relay: 'ws://r', filter: 'f' }
const [A, B] = ['0000000000010000', '0000000000020000'] as const
const [FROM, OTHER] = SENDERS as [string, string]
const times = { nowMs: 9, storedBeforeMs: 1, concludedBeforeMs: 1, heardBeforeMs: 1, settledBeforeMs: 1 }
const mail = { id: id(1), from: FROM, text: '', act: 'request', at: 1, private: true, relay: 'ws://r', event: '{}' }
const out = (n: number) => ({ id: id(n), to: FROM, event: '{}', expires: 9 })

/** Every method, in every way that makes another statement of it. A method that is not here fails the test. */
const USES: { readonly [M in keyof Required<MailStore>]: (store: MailStore) => unknown } = {
  durable: store => store.durable?.(),
  record(store) {
    const position = { scope: '', epoch: A, seq: 1 }
    const receipts = [{ id: id(90), of: id(50), from: FROM, state: 'done', at: 1, private: true }] as const
    const all = { receipts, dropped: [FROM], displaced: [id(7)], seen: [{ id: id(8), at: 1 }], nowMs: 5 }
    store.enqueue(out(50))
    store.record({ feed, mail: [mail], position, ...all })
    store.record({ feed, mail: [mail], ...all })
  },
  seen: store => store.seen(),
  positions: store => store.positions(feed),
  get: store => store.get(id(1)),
  find: store => store.find('0'.repeat(60), 2),
  list(store) {
    for (const held of [false, true])
      for (const unread of [{}, { unread: true }])
        for (const from of [{}, { from: FROM }])
          for (const which of [{}, { limit: 9 }, { after: 1, limit: 9 }])
            store.list({ held, ...unread, ...from, ...which })
    store.list({ state: 'set-aside' })
  },
  repliesTo: store => store.repliesTo(id(1), 0),
  markRead: store => store.markRead(id(1)),
  counts: store => store.counts(),
  unreadSenders: store => store.unreadSenders(),
  nextWork(store) {
    const busy = { nowMs: 9, from: [OTHER] }
    // More than are looked at in order: the ways around them are taken too.
    for (const query of [{ act: 'request' }, { act: 'request', schema: 's' }, { topics: ['jobs'] }])
      store.nextWork({ ...query, ...busy })
  },
  nextDueMs: store => store.nextDueMs(),
  countWork(store) {
    store.countWork({ act: 'request' })
    store.countWork({ topics: ['jobs'] })
  },
  unhandled: store => store.unhandled({ except: ['x'], from: [FROM], limit: 9 }),
  beginWork: store => store.beginWork(id(1)),
  endWork: store => store.endWork(id(1), { state: 'done' }, [out(51)]),
  reopenWork: store => store.reopenWork(),
  finished: store => store.finished(FROM, 'k'),
  receiptsDue: store => store.receiptsDue(9),
  receiptsDueCount: store => store.receiptsDueCount(),
  acknowledge: store => store.acknowledge([id(1)], []),
  receipts: store => store.receipts(id(50)),
  strangers: store => store.strangers(),
  strangerCounts: store => store.strangerCounts(FROM),
  judge(store) {
    for (const verdict of ['accepted', 'denied', undefined] as const) store.judge('f'.repeat(64), verdict)
  },
  recovered: store => store.recovered(FROM),
  judged: store => store.judged('denied'),
  release: store => store.release(FROM, 9),
  retry: store => store.retry(id(1)),
  dismiss: store => store.dismiss(id(1)),
  enqueue: store => store.enqueue(out(52)),
  queued(store) {
    store.queued(0, 9)
    store.queued(0, 9, FROM)
  },
  expiring: store => store.expiring(9),
  unaddressed: store => store.unaddressed(0, 9),
  address: store => store.address(id(52), ['ws://r'], ['ws://s'], 1),
  awaiting: store => store.awaiting(0),
  awaitingFrom: store => store.awaitingFrom(FROM, 0, 9),
  waiting: store => store.waiting('ws://r', 0, 9),
  waitingRelays: store => store.waitingRelays(),
  copies: store => store.copies(id(52)),
  settle(store) {
    const about = { id: id(52), relay: 'ws://r' }
    store.settle([{ ...about, state: 'refused', reason: 'x' }], 1)
    store.settle([{ ...about, state: 'stored', seq: 4, epoch: A }], 1)
    store.settle([{ id: id(51), state: 'expired' }], 1)
  },
  overdue: store => store.overdue(9, 9),
  recount: store => store.recount({ nowMs: 9, settledBeforeMs: 1, waitsBeforeMs: 1 }, 9),
  prune: store => store.prune(times, 9),
  delivery: store => store.delivery(id(52)),
  sent: store => store.sent(id(52)),
  findSent: store => store.findSent('0'.repeat(60), 2),
  sentAs: store => store.sentAs(FROM, 'k'),
  refused: store => store.refused(),
  requeue: store => store.requeue(id(52)),
  redate: store => store.redate(id(52), '{}'),
  forget: store => store.forget(id(52)),
  recipient: store => store.recipient(id(52)),
  unheard: store => store.unheard(),
  acknowledged: store => store.acknowledged('ws://r'),
  carryOver(store) {
    store.enqueue(out(60))
    store.settle([{ id: id(60), state: 'stored', relay: 'ws://r', seq: 4, epoch: A }], 1)
    store.carryOver('ws://r', { from: A, to: B, upTo: 3 })
  },
  relayNote: store => store.relayNote(id(1)),
  keepRelayNote: store => store.keepRelayNote(id(1), { text: 'x', askedMs: 1 }),
  close: store => store.close(),
}

/** What is bounded by the number of relays, of strangers or of notes kept may be read through. */
const GROWING = ['inbox', 'outbox', 'copies', 'receipts', 'unaddressed']
/** Indexes that hold nothing but the rows asked for, from the first on. */
const WHOLE =
  /^SCAN inbox USING (COVERING )?INDEX (inbox_working|inbox_receipts|inbox_aside|inbox_unread|inbox_listed)$|^SCAN outbox USING INDEX (outbox_expires|outbox_given_up|outbox_unseen)$/
/** All of it was asked for. */
const EVERYTHING = /^SELECT \* FROM inbox WHERE stranger IS NOT 'held' ORDER BY ordinal (DESC )?LIMIT @limit$/
/** At most 2,000 are held; what begins with one id is one message; one message's copies, or one feed's positions, are few. */
const MAY_SORT = /stranger = 'held'|id >= \? AND id < \?|FROM copies WHERE id = \?|FROM strangers|FROM positions /

const planOf = (db: Database, sql: string): readonly string[] => {
  const names = [...sql.matchAll(/@(\w+)/g)].map(([, name]) => [name, 1])
  const params = names.length > 0 ? [Object.fromEntries(names)] : (sql.match(/\?/g) ?? []).map(() => 1)
  const steps = prepare.call(db, `EXPLAIN QUERY PLAN ${sql}`).all(...params) as { detail: string }[]
  return steps.map(({ detail }) => detail)
}

/** Statements of all triggers, with values in place of the row. */
function triggerStatements(db: Database): readonly string[] {
  const texts = prepare.call(db, "SELECT sql FROM sqlite_schema WHERE type = 'trigger'").pluck().all() as string[]
  return texts.flatMap(text => {
    const [head = '', body = ''] = text.replaceAll(/\s+/g, ' ').split(' BEGIN ')
    const when = head.split(' WHEN ')[1]
    return [...(when ? [`SELECT ${when}`] : []), ...body.replace(/END$/, '').split(';')]
      .map(each => each.trim().replaceAll(/\b(new|old)\.\w+/g, '?'))
      .filter(each => each !== '')
  })
}

const scansIn = (sql: string, plan: readonly string[]): readonly string[] =>
  plan.filter(step => {
    const scanned = /^SCAN (\w+)/.exec(step)?.[1]
    if (scanned !== undefined && GROWING.includes(scanned)) return !WHOLE.test(step) && !EVERYTHING.test(sql)
    return /TEMP B-TREE/.test(step) && !MAY_SORT.test(sql)
  })

function fill(store: MailStore, count: number, from = FROM): void {
  const dice = diceOf(1)
  for (let n = 0; n < count; n += 50)
    store.record({ feed, mail: Array.from({ length: 50 }, (_, k) => ({ ...mailOf(dice, 10_000 + n + k), from })) })
}

describe('every statement of the mail store', () => {
  test('finds what it is about along an index, without rows and with them', async () => {
    const path = join(tempDir(), 'mail.db')
    const store = openSqliteMailStore(path)
    // Of one sender who has to wait: more of each act and topic than are looked at in order.
    fill(store, 3_000)
    for (let n = 10_000; n < 13_000; n += 2) store.endWork(id(n), { state: 'failed', dueMs: 5 })
    for (let n = 1; n <= 150; n += 1) change(store, diceOf(n), n)
    expect(Object.keys(USES).sort()).toEqual(Object.keys(store).sort())
    for (const [name, use] of Object.entries(USES)) if (name !== 'close') await use(store)
    store.close()
    const texts = [...runs.keys()].filter(
      sql => /^(SELECT|INSERT|UPDATE|DELETE|WITH)/.test(sql) && !/sqlite_schema/.test(sql),
    )
    expect(texts.length).toBeGreaterThan(100)
    const taken = texts.join('\n')
    for (const way of ['inbox_work_senders', 'inbox_again_senders', 'inbox_topic_senders', 'inbox_topic_again'])
      expect(taken).toContain(`INDEXED BY ${way} `)

    const filled = new Driver(path)
    // By these SQLite might choose otherwise.
    expect(prepare.call(filled, "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").get()).toBeUndefined()
    const fresh = new Driver(':memory:')
    for (const sql of MAIL_MIGRATIONS) fresh.exec(sql)
    for (const db of [fresh, filled]) {
      const triggered = triggerStatements(db)
      expect(triggered.length).toBeGreaterThan(20)
      const scans = [...texts, ...triggered].flatMap(sql => scansIn(sql, planOf(db, sql)).map(step => [step, sql]))
      expect(scans).toEqual([])
      db.close()
    }
  })
})

/** What it costs to receive, list, work off, answer, send and settle ten more messages. */
function costOfTen(store: MailStore): Record<string, number> {
  runs.clear()
  rows = 0
  for (let n = 0; n < 10; n += 1) {
    const one = { ...mail, id: id(500_000 + n), from: OTHER, priority: 'high' as const, receiptDue: true }
    const answer = { id: id(600_000 + n), to: OTHER, event: '{}' }
    store.record({ feed, mail: [one], position: { scope: '', epoch: A, seq: n } })
    store.counts()
    store.receiptsDueCount()
    store.list({ unread: true, after: 0, limit: 5 })
    store.list({ unread: true, limit: 5 })
    expect(store.nextWork({ act: 'request', from: [OTHER], nowMs: 9 })?.id).toBe(one.id)
    store.beginWork(one.id)
    store.endWork(one.id, { state: 'done', receipted: true }, [answer])
    store.nextDueMs(9)
    expect(store.unaddressed(0, 5).map(each => each.id)).toEqual([answer.id])
    store.address(answer.id, ['ws://r'])
    store.expiring(1)
    store.waitingRelays()
    const place = store.waiting('ws://other', 0, 1)[0]?.place ?? 0
    store.waiting('ws://r', place, 5)
    store.settle([{ id: answer.id, state: 'stored', relay: 'ws://r', seq: 1 + n, epoch: A }], 9)
    store.unheard()
    store.awaiting(0)
    store.acknowledged('ws://r')
    store.overdue(1, 5)
    store.prune(times, 5)
    store.countWork({ act: 'request' })
  }
  const statements = [...runs.values()].reduce((sum, n) => sum + n, 0)
  return { statements, rows }
}

test('a message costs as many statements and rows with 2,000 waiting, both ways, as with 20', () => {
  const costs = [20, 2_000].map(count => {
    const store = openSqliteMailStore(join(tempDir(), 'mail.db'))
    const many = Array.from({ length: count }, (_, n) => n)
    store.record({ feed, mail: many.map(n => ({ ...mail, id: id(1_000 + n), receiptDue: true })) })
    const waiting = many.map(n => ({
      id: id(300_000 + n),
      to: FROM,
      event: '{}',
      ...(n % 2 ? { expires: 1_000 + n } : {}),
    }))
    store.acknowledge([], waiting)
    for (const one of waiting) store.address(one.id, ['ws://other'])
    while (store.prune(times, 500) > 0) {}
    // Not in the order of work, and not first: who has to wait is stepped over.
    const cost = costOfTen(store)
    store.close()
    return cost
  })
  expect(costs[1]).toEqual(costs[0])
})
