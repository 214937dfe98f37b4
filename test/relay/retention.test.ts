import { join } from 'node:path'
import type { NostrEvent } from 'posthorn/protocol'
import { createMemoryStore, openSqliteStore, PruneRefusedError, type RetentionRule, type Store } from 'posthorn/relay'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { requireRules } from '#dist/relay/log/retention.js'
import { prune } from '#dist/relay/retention.js'
import { checkFolder, pruneFolder } from '#dist/relay/tools.js'
import { person } from '../helpers/events.ts'
import { handClock } from '../helpers/hand-clock.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { makeTempDir, removeDir, tempDir } from '../helpers/temp-dir.ts'
import { ALICE, BOB, logRequest, unsigned } from './unsigned.ts'
import { connect, hintsOf } from './wire.ts'

const DAY = 86_400

describe.each(['memory', 'sqlite'])('retention rules, %s store', kind => {
  let dir: string
  let store: Store
  beforeEach(async () => {
    dir = makeTempDir()
    store = kind === 'memory' ? createMemoryStore() : await openSqliteStore(dir)
    await store.startEpoch(1_000, 0)
  })
  afterEach(async () => {
    await store.close()
    removeDir(dir)
  })

  const append = (events: readonly NostrEvent[], nowS = 0) => store.append(events, nowS * 1000)
  const stored = async (): Promise<string[]> =>
    (await store.readLog(logRequest([{}], 0, { gone: false }))).entries.map(row =>
      row.op === 'stored' ? (JSON.parse(row.json) as NostrEvent).id : '',
    )
  const floor = async (kinds?: number[], gone = false) =>
    (await store.readLog(logRequest([kinds === undefined ? {} : { kinds }], 0, { gone }))).floor

  test('by age: older than maxAgeS goes, exactly that old stays', async () => {
    const [old, edge, young] = [99, 100, 101].map(created_at => unsigned({ created_at })) as [
      NostrEvent,
      NostrEvent,
      NostrEvent,
    ]
    await append([young, old, edge])
    expect(await prune(store, [{ maxAgeS: 10 }], 110)).toEqual({ events: 1, removals: 0 })
    expect(await stored()).toEqual([young.id, edge.id])
  })

  test('by count: the latest to arrive stay, whatever their dates', async () => {
    const events = [5, 9, 1, 7, 3].map(created_at => unsigned({ created_at }))
    await append(events)
    expect(await prune(store, [{ maxCount: 2 }], 100)).toEqual({ events: 3, removals: 0 })
    expect(await stored()).toEqual(events.slice(3).map(({ id }) => id))
    expect(await prune(store, [{ maxCount: 2 }], 100)).toEqual({ events: 0, removals: 0 })
    expect(await prune(store, [{ maxCount: 0 }], 100)).toEqual({ events: 2, removals: 0 })
  })

  test('by kind and author: of all rules the first that names an event decides', async () => {
    const kept = [unsigned({ kind: 7 }), unsigned({ kind: 1, pubkey: BOB })]
    const gone = [unsigned({ kind: 1, pubkey: ALICE }), unsigned({ kind: 2, pubkey: BOB })]
    await append([...kept, ...gone])
    const rules: RetentionRule[] = [{ kinds: [7] }, { kinds: [1], authors: [BOB] }, { maxCount: 0 }]
    expect(await prune(store, rules, 10_000)).toEqual({ events: 2, removals: 0 })
    expect(await stored()).toEqual(kept.map(({ id }) => id))
  })

  test('age and count in one rule: either is enough', async () => {
    await append([10, 90, 91, 92].map(created_at => unsigned({ created_at })))
    expect((await prune(store, [{ maxAgeS: 50, maxCount: 2 }], 100)).events).toBe(2)
  })

  test('gift wraps are dated back by up to two days: their age counts from there', async () => {
    const now = 10 * DAY
    const wraps = [now - 2 * DAY - 1, now - 4 * DAY].map(created_at => unsigned({ kind: 1059, created_at }))
    await append(wraps)
    expect((await prune(store, [{ maxAgeS: DAY }], now)).events).toBe(1)
  })

  test('floors rise per kind, tell of the highest seq taken, and never fall', async () => {
    await append([1, 1, 2, 1].map(kind => unsigned({ kind, created_at: 5 })))
    await prune(store, [{ kinds: [1], maxCount: 1 }], 10)
    expect([await floor([1]), await floor([2]), await floor([1, 2]), await floor(), await floor([9])]).toEqual([
      3, 1, 3, 3, 1,
    ])
    await prune(store, [{ kinds: [2], maxCount: 0 }], 10)
    expect([await floor([1]), await floor([2]), await floor()]).toEqual([3, 4, 4])
  })

  test('removals go by their own age, with a floor for those who ask for them', async () => {
    const event = unsigned({ created_at: 1_000 })
    await append([event], 1_000)
    await append([unsigned({ kind: 5, created_at: 1_001, tags: [['e', event.id]] })], 1_001)
    const rules = [{ kinds: [1], maxAgeS: 100 }]
    expect(await prune(store, rules, 1_101)).toEqual({ events: 0, removals: 0 })
    expect(await prune(store, rules, 1_102)).toEqual({ events: 0, removals: 1 })
    expect([await floor([1], false), await floor([1], true), await floor([5], true)]).toEqual([1, 4, 1])
    // What it deleted stays deleted.
    expect((await append([event]))?.outcomes[0]?.status).toBe('refused')
  })

  test('a pruned version of an address still keeps older ones out', async () => {
    const version = (created_at: number) => unsigned({ kind: 30_001, created_at, tags: [['d', 'x']] })
    const [old, last] = [version(1), version(2)]
    await append([last])
    await prune(store, [{ maxCount: 0 }], 10)
    expect(await stored()).toEqual([])
    expect((await append([old])).outcomes[0]).toMatchObject({ status: 'refused' })
    expect((await append([version(3)])).outcomes[0]).toMatchObject({ status: 'stored' })
  })

  test('more than one batch, and no log entries', async () => {
    await append(Array.from({ length: 1_300 }, () => unsigned()))
    const { last } = store.head
    expect(await prune(store, [{ maxCount: 10 }], 10, { dryRun: true })).toEqual({ events: 1_290, removals: 0 })
    expect(await stored()).not.toHaveLength(10)
    expect(await prune(store, [{ maxCount: 10 }], 10)).toEqual({ events: 1_290, removals: 0 })
    expect(await stored()).toHaveLength(10)
    expect([store.head.last, await floor()]).toEqual([last, 1_291])
  })
})

test.each<[string, RetentionRule]>([
  ['maxAgeS', { maxAgeS: 0 }],
  ['maxCount', { maxCount: -1 }],
  ['kinds', { kinds: [70_000] }],
  ['authors', { authors: ['npub1'] }],
])('a rule with a wrong %s is refused at start', (name, rule) => {
  expect(() => requireRules([rule])).toThrow(name)
})

describe('nothing is pruned beside damage', () => {
  /** Ten events in a closed log, then SQL behind the relay's back. */
  async function damagedLog(sql: string): Promise<string> {
    const dir = tempDir()
    const store = await openSqliteStore(dir)
    await store.startEpoch(1_000, 0)
    await store.append(
      Array.from({ length: 10 }, (_, n) => unsigned({ created_at: 100 + n })),
      0,
    )
    await store.close()
    const Driver = loadDriver()
    const db = new Driver(join(dir, 'log.db'))
    db.exec(sql)
    db.close()
    return dir
  }
  const count = async (dir: string) => {
    const report = await checkFolder(dir)
    return report.events
  }

  test.each([
    ['an index column says the event is old', `UPDATE events SET created_at = 1 WHERE seq = 7`],
    [
      'the text of one that is to go has changed',
      `UPDATE events SET json = replace(json, '"kind":1', '"kind":2') WHERE seq = 3`,
    ],
    ['the kind in the index is another', `UPDATE events SET kind = 9 WHERE seq = 2`],
    ['the text is none', `UPDATE events SET json = '{' WHERE seq = 1`],
  ])('%s', async (_, sql) => {
    const dir = await damagedLog(sql)
    const store = await openSqliteStore(dir)
    await expect(prune(store, [{ maxAgeS: 5 }], 110)).rejects.toThrow(PruneRefusedError)
    await store.close()
    expect(await count(dir)).toBe(10)
    // The tool asks for the whole log to be sound, not only for what is to go.
    await expect(pruneFolder(dir, [{ kinds: [5], maxCount: 0 }], 110)).rejects.toThrow(PruneRefusedError)
  })

  test('an order that names an event of no rule takes nothing', async () => {
    const dir = await damagedLog('SELECT 1')
    const store = await openSqliteStore(dir)
    const order = { rules: [{ kinds: [2], maxCount: 0 }], rule: 0, part: 'events', now: 0, seqs: [4] } as const
    await expect(store.prune(order)).rejects.toMatchObject({ code: 'damaged-log' })
    await store.close()
    expect(await count(dir)).toBe(10)
  })
})

describe('a relay with retention', () => {
  const alice = person('alice')
  /** Dated by the relay's own clock, which stands still: the test's may be a second further by now. */
  const notesAt = (at: number) =>
    Array.from({ length: 3 }, (_, n) => alice.sign({ created_at: at, content: `note ${n}` }))

  test('prunes from time to time, tells floors, refuses what it would prune, goes on', async () => {
    const clock = handClock()
    const start = Math.floor(clock.now() / 1000)
    await using running = await startRelay({ clock, retention: [{ kinds: [1], maxAgeS: 60 }] })
    const wire = await connect(running.url)
    const events = notesAt(start)
    for (const event of events) await wire.publish(event)
    const other = alice.sign({ kind: 7, created_at: start })
    await wire.publish(other)
    clock.advance(61_000)
    expect(await running.relay.prune()).toEqual({ events: 3, removals: 0 })
    const ask = async (kinds: number[]) =>
      hintsOf((await wire.request(`k${kinds}`, { kinds, since_seq: 0 })).at(-1))['floor']
    expect([await ask([1]), await ask([7]), await ask([1, 7])]).toEqual(['4', '1', '4'])
    const again = await wire.publish(events[0] as NostrEvent)
    expect(again.slice(2)).toEqual([false, 'invalid: created_at is older than this relay keeps such events'])
    expect(await wire.publish(alice.sign({ created_at: start + 61 }))).toMatchObject({ 2: true })
  })

  test('tells the operator, and serves on, when what is to go is damaged', async () => {
    const clock = handClock()
    const start = Math.floor(clock.now() / 1000)
    const errors: unknown[] = []
    await using running = await startRelay({
      clock,
      retention: [{ maxAgeS: 60 }],
      onError: (_, error) => errors.push(error),
    })
    const wire = await connect(running.url)
    const events = notesAt(start)
    for (const event of events) await wire.publish(event)
    const Driver = loadDriver()
    const db = new Driver(join(running.data, 'log.db'))
    db.exec(`UPDATE events SET json = replace(json, 'note 1', 'note 9')`)
    db.close()
    clock.advance(61_000)
    await expect(running.relay.prune()).rejects.toThrow('nothing was pruned')
    const frames = await wire.request('all', { since_seq: 0 })
    expect(frames.filter(([type]) => type === 'EVENT')).toHaveLength(2)
    expect(errors).toMatchObject([{ code: 'damaged-log', seqs: [2] }])
    // Published again it heals, with a new place in the log.
    const clean = await connect(running.url)
    clock.advance(-61_000)
    expect((await clean.publish(events[1] as NostrEvent)).slice(2)).toEqual([true, 'seq: 4'])
    expect((await clean.request('healed', { since_seq: 0 })).filter(([type]) => type === 'EVENT')).toHaveLength(3)
    expect((await checkFolder(running.data)).damaged).toEqual([])
  })
})
