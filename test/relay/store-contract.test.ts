import { type FilterJson, isOutdated, type NostrEvent } from 'posthorn/protocol'
import { createMemoryStore, openSqliteStore, type Store } from 'posthorn/relay'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'
import { ALICE, BOB, filter, hex64, logRequest, NOW, queryRequest, unsigned } from './unsigned.ts'

describe.each(['memory', 'sqlite'] as const)('%s store', which => {
  let store: Store
  let dir = ''
  beforeEach(async () => {
    dir = makeTempDir()
    store = which === 'memory' ? createMemoryStore() : await openSqliteStore(dir)
    await store.startEpoch(1_000_000, 7)
  })
  afterEach(async () => {
    await store.close()
    removeDir(dir)
  })

  const append = async (...events: NostrEvent[]) => (await store.append(events, NOW * 1000)).outcomes
  const ids = async (...filters: FilterJson[]): Promise<string[]> => {
    const page = await store.query(queryRequest(filters))
    return page.events.map(json => JSON.parse(json).id)
  }
  const log = async (json: FilterJson[] = [{}], after = 0, more = {}) =>
    (await store.readLog(logRequest(json, after, more))).entries.map(row => [
      row.seq,
      row.op,
      row.op === 'stored' ? JSON.parse(row.json).id : row.target,
    ])
  const deletion = (tags: string[][], fields: Partial<NostrEvent> = {}) => unsigned({ kind: 5, tags, ...fields })

  describe('append', () => {
    test('numbers from 1, in order, and tells a duplicate the seq it has', async () => {
      const [a, b] = [unsigned(), unsigned()]
      expect(await append(a, b)).toEqual([
        { status: 'stored', seq: 1 },
        { status: 'stored', seq: 2 },
      ])
      expect(await append(b, unsigned(), a)).toEqual([
        { status: 'duplicate', seq: 2 },
        { status: 'stored', seq: 3 },
        { status: 'duplicate', seq: 1 },
      ])
      expect(store.head.last).toBe(3)
    })

    test('the same event twice in one commit is stored once', async () => {
      const event = unsigned()
      const commit = await store.append([event, event], NOW)
      expect(commit.outcomes.map(({ status }) => status)).toEqual(['stored', 'duplicate'])
      expect(commit.entries).toHaveLength(1)
    })

    test('seqsOf answers in order, undefined where nothing is stored', async () => {
      const [a, b] = [unsigned(), unsigned()]
      await append(a, b)
      expect(await store.seqsOf([b.id, hex64('nobody'), a.id])).toEqual([2, undefined, 1])
    })

    test('a seq is never used again, also when the newest row is gone', async () => {
      const event = unsigned()
      await append(event)
      await append(deletion([['e', event.id]])) // 2, its removal 3
      const [after] = await append(unsigned())
      expect(after).toEqual({ status: 'stored', seq: 4 })
      const expiring = unsigned({ tags: [['expiration', String(NOW - 1)]] })
      await append(expiring) // 5
      expect(await store.sweepExpired(NOW)).toBe(1)
      expect(await append(unsigned())).toEqual([{ status: 'stored', seq: 6 }])
    })

    test('an event that went in the commit it came with is no entry of it', async () => {
      const event = unsigned()
      const commit = await store.append([event, deletion([['e', event.id]])], NOW)
      expect(commit.entries.map(({ op, seq }) => [op, seq])).toEqual([
        ['stored', 2],
        ['deleted', 3],
      ])
      expect(commit.last).toBe(3)
    })
  })

  describe('replacement', () => {
    test.each([0, 3, 10_001, 30_001])('kind %i: the later second wins, its removal has its own seq', async kind => {
      const old = unsigned({ kind, created_at: 10 })
      const young = unsigned({ kind, created_at: 11 })
      await append(old)
      const commit = await store.append([young], NOW)
      expect(commit.outcomes).toEqual([{ status: 'stored', seq: 2 }])
      expect(commit.entries.map(({ op, seq }) => [op, seq])).toEqual([
        ['stored', 2],
        ['replaced', 3],
      ])
      expect(await ids({})).toEqual([young.id])
    })

    test('within a second the lowest id wins, in either order of arrival', async () => {
      const [low, middle, high] = [1, 2, 3]
        .map(() => unsigned({ kind: 10_001, created_at: 10 }))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1)) as [NostrEvent, NostrEvent, NostrEvent]
      expect((await append(middle))[0]?.status).toBe('stored')
      expect((await append(high))[0]).toSatisfy(o => o.status === 'refused' && isOutdated(o.reason))
      expect((await append(low))[0]?.status).toBe('stored')
      expect(await ids({})).toEqual([low.id])
    })

    test('an old version is refused, also after its successor was deleted or expired', async () => {
      const old = unsigned({ kind: 30_001, created_at: 10, tags: [['d', 'x']] })
      const young = unsigned({
        kind: 30_001,
        created_at: 20,
        tags: [
          ['d', 'x'],
          ['expiration', String(NOW)],
        ],
      })
      const other = unsigned({ kind: 30_001, created_at: 5, tags: [['d', 'y']] })
      await append(young)
      expect((await append(old))[0]).toSatisfy(o => o.status === 'refused' && isOutdated(o.reason))
      expect((await append(other))[0]?.status).toBe('stored')
      await store.sweepExpired(NOW)
      expect((await append(old))[0]).toSatisfy(o => o.status === 'refused' && isOutdated(o.reason))
      const third = unsigned({ kind: 30_001, created_at: 30, tags: [['d', 'x']] })
      await append(third, deletion([['e', third.id]], { created_at: 31 }))
      expect((await append(old))[0]?.status).toBe('refused')
      expect(await ids({ '#d': ['x'] })).toEqual([])
    })

    test('kind, author and d keep addresses apart; no d is the empty d', async () => {
      const events = [
        unsigned({ kind: 30_001, tags: [['d', 'a']] }),
        unsigned({ kind: 30_001, tags: [['d', 'A']] }),
        unsigned({ kind: 30_001, tags: [['d', 'a\0']] }),
        unsigned({ kind: 30_002, tags: [['d', 'a']] }),
        unsigned({ kind: 30_001, tags: [['d', 'a']], pubkey: BOB }),
        unsigned({ kind: 30_001, tags: [] }),
      ]
      await append(...events)
      expect(await ids({})).toHaveLength(events.length)
      await append(unsigned({ kind: 30_001, tags: [['d']] }))
      expect(await ids({})).toHaveLength(events.length)
      await append(
        unsigned({
          kind: 30_001,
          tags: [
            ['t', 'x'],
            ['d', ''],
            ['d', 'a'],
          ],
        }),
      )
      expect(await ids({})).toHaveLength(events.length)
    })

    test('regular and unranged kinds are all kept', async () => {
      await append(...[1, 44, 45, 1000, 9999, 40_000, 65_535].flatMap(kind => [unsigned({ kind }), unsigned({ kind })]))
      expect(await ids({})).toHaveLength(14)
    })
  })

  describe('deletion (NIP-09)', () => {
    test('by e: the event goes, the request stays and is served, a copy is refused', async () => {
      const event = unsigned()
      const request = deletion([['e', event.id]])
      await append(event)
      await append(request)
      expect(await ids({})).toEqual([request.id])
      expect((await append(event))[0]).toMatchObject({ status: 'refused', reason: expect.stringMatching(/^blocked: /) })
    })

    test('by e before the event came', async () => {
      const event = unsigned()
      await append(deletion([['e', event.id]]))
      expect((await append(event))[0]?.status).toBe('refused')
    })

    test('by a: versions up to its second go, later ones are welcome', async () => {
      const version = (created_at: number) => unsigned({ kind: 30_001, created_at, tags: [['d', 'x:y']] })
      await append(version(50))
      await append(deletion([['a', `30001:${ALICE}:x:y`]], { created_at: 60 }))
      expect(await ids({ kinds: [30_001] })).toEqual([])
      expect((await append(version(60)))[0]?.status).toBe('refused')
      const late = version(61)
      expect((await append(late))[0]?.status).toBe('stored')
      await append(deletion([['a', `30001:${ALICE}:x:y`]], { created_at: 55 }))
      expect(await ids({ kinds: [30_001] })).toEqual([late.id])
      expect((await append(version(60)))[0]?.status).toBe('refused')
    })

    test('by a before the version came, for plain replaceable kinds too', async () => {
      await append(deletion([['a', `10001:${ALICE}:`]], { created_at: 60 }))
      expect((await append(unsigned({ kind: 10_001, created_at: 60 })))[0]?.status).toBe('refused')
      expect((await append(unsigned({ kind: 10_001, created_at: 61 })))[0]?.status).toBe('stored')
    })

    test('only what is the author’s own', async () => {
      const bobs = unsigned({ pubkey: BOB })
      const card = unsigned({ pubkey: BOB, kind: 30_001, created_at: 1, tags: [['d', 'x']] })
      const coming = unsigned({ pubkey: BOB })
      await append(bobs, card)
      await append(
        deletion(
          [
            ['e', bobs.id],
            ['e', coming.id],
            ['a', `30001:${BOB}:x`],
          ],
          { created_at: 99 },
        ),
      )
      expect((await append(coming))[0]?.status).toBe('stored')
      expect(await ids({ authors: [BOB] })).toHaveLength(3)
    })

    test('a deletion request is never deleted', async () => {
      const first = deletion([['e', hex64('x')]])
      await append(first)
      await append(deletion([['e', first.id]]))
      expect(await ids({ kinds: [5] })).toHaveLength(2)
      const coming = deletion([])
      await append(deletion([['e', coming.id]]))
      expect((await append(coming))[0]?.status).toBe('stored')
    })

    test('nonsense targets are passed over', async () => {
      const event = unsigned()
      await append(event)
      const tags = [
        ['e'],
        ['e', 'short'],
        ['a'],
        ['a', `1:${ALICE}:`],
        ['a', `10001:${ALICE}:d`],
        ['a', `30001:${ALICE}`],
        ['E', event.id],
      ]
      expect((await append(deletion(tags)))[0]?.status).toBe('stored')
      expect(await ids({ kinds: [1] })).toEqual([event.id])
    })
  })

  describe('expiry (NIP-40)', () => {
    test('an expired event is served by no path, before and after it is swept', async () => {
      const event = unsigned({
        tags: [
          ['expiration', String(NOW)],
          ['t', 'x'],
        ],
      })
      const lasting = unsigned({ tags: [['expiration', String(NOW + 1)]] })
      const odd = unsigned({ tags: [['expiration', 'soon']] })
      await append(event, lasting, odd)
      for (const swept of [false, true]) {
        if (swept) expect(await store.sweepExpired(NOW)).toBe(1)
        expect(new Set(await ids({}))).toEqual(new Set([lasting.id, odd.id]))
        expect(await ids({ '#t': ['x'] })).toEqual([])
        expect(await store.count([filter({})], { keys: [], now: NOW })).toBe(2)
        expect((await log()).map(([seq]) => seq)).toEqual([2, 3])
      }
      expect(await store.sweepExpired(NOW)).toBe(0)
    })
  })

  describe('log order', () => {
    test('batches: after is exclusive, limit cuts, upTo says how far', async () => {
      const events = [1, 2, 3, 4, 5].map(n => unsigned({ kind: n % 2 === 0 ? 2 : 1 }))
      await append(...events)
      const first = await store.readLog(logRequest([{ kinds: [1] }], 0, { limit: 2 }))
      expect(first.entries.map(row => row.seq)).toEqual([1, 3])
      expect(first).toMatchObject({ upTo: 3, last: 5 })
      const rest = await store.readLog(logRequest([{ kinds: [1] }], 3, { limit: 2 }))
      expect(rest.entries.map(row => row.seq)).toEqual([5])
      expect(rest.upTo).toBe(5)
      expect(await store.readLog(logRequest([{ kinds: [3] }], 1))).toEqual({ entries: [], upTo: 5, last: 5, floor: 1 })
      expect(await store.readLog(logRequest([{}], 5))).toEqual({ entries: [], upTo: 5, last: 5, floor: 1 })
    })

    test('a limit that the matches just fill has reached the end', async () => {
      await append(unsigned(), unsigned({ kind: 2 }))
      expect(await store.readLog(logRequest([{ kinds: [1] }], 0, { limit: 1 }))).toMatchObject({ upTo: 2, last: 2 })
    })

    test('several filters: one ascending line, each entry once', async () => {
      await append(...[1, 2, 1, 3].map(kind => unsigned({ kind, tags: [['t', 'x']] })))
      const rows = await log([{ kinds: [1] }, { kinds: [2] }, { '#t': ['x'], kinds: [1, 3] }])
      expect(rows.map(([seq]) => seq)).toEqual([1, 2, 3, 4])
    })

    test('a batch is cut by bytes as well', async () => {
      await append(...Array.from({ length: 10 }, () => unsigned({ content: 'x'.repeat(60_000) })))
      const batch = await store.readLog(logRequest([{}]))
      expect(batch.entries.length).toBeLessThan(10)
      expect(batch.upTo).toBe(batch.entries.at(-1)?.seq)
    })

    test('removals are told at their own seq, only if asked for, only where the filter fits', async () => {
      const event = unsigned({ tags: [['t', 'x']] })
      await append(event)
      await append(deletion([['e', event.id]]))
      expect(await log([{ kinds: [1] }])).toEqual([[3, 'deleted', event.id]])
      expect(await log([{ '#t': ['x'] }])).toEqual([[3, 'deleted', event.id]])
      expect(await log([{ kinds: [1] }], 0, { gone: false })).toEqual([])
      expect(await log([{ kinds: [1] }], 3)).toEqual([])
      expect(await log([{ '#t': ['y'] }])).toEqual([])
    })

    test('replaced is not told when the same batch carries the present version', async () => {
      const version = (created_at: number, t: string) =>
        unsigned({
          kind: 30_001,
          created_at,
          tags: [
            ['d', 'x'],
            ['t', t],
          ],
        })
      const [one, two, three] = [version(1, 'a'), version(2, 'b'), version(3, 'a')] as const
      await append(one)
      await append(two) // 2, removal of one: 3
      expect(await log([{ kinds: [30_001] }])).toEqual([[2, 'stored', two.id]])
      expect(await log([{ kinds: [30_001] }], 2)).toEqual([[3, 'replaced', one.id]])
      expect(await log([{ '#t': ['a'] }])).toEqual([[3, 'replaced', one.id]])
      await append(three) // 4, removal of two: 5
      expect(await log([{ '#t': ['a'] }], 1)).toEqual([[4, 'stored', three.id]])
      expect(await log([{ '#t': ['b'] }], 1)).toEqual([[5, 'replaced', two.id]])
      // Cut before the successor: the removal must be told, for the successor may be gone when it is asked for.
      expect(await log([{ '#t': ['a'] }], 1, { limit: 1 })).toEqual([[3, 'replaced', one.id]])
    })
  })

  describe('stored query', () => {
    test('newest first, lowest id first within a second', async () => {
      const events = [1, 2, 3].map(() => unsigned({ created_at: 100 }))
      const newer = unsigned({ created_at: 101 })
      const older = unsigned({ created_at: 99 })
      await append(older, ...events, newer)
      expect(await ids({})).toEqual([newer.id, ...events.map(({ id }) => id).toSorted(), older.id])
    })

    test('a client’s limit is kept to the letter and told as cut', async () => {
      await append(...Array.from({ length: 4 }, () => unsigned({ created_at: 5 })))
      const page = await store.query(queryRequest([{ limit: 3 }]))
      expect(page.events).toHaveLength(3)
      expect(page).toMatchObject({ complete: false, next: undefined, seq: 4 })
      expect(await store.query(queryRequest([{ limit: 4 }]))).toMatchObject({ complete: true, next: undefined })
    })

    test('the relay’s own cap ends on a whole second (NIP-67)', async () => {
      await append(...[9, 8, 8, 8, 7].map(created_at => unsigned({ created_at })))
      const page = await store.query(queryRequest([{}], 2))
      expect(page.events.map(json => JSON.parse(json).created_at)).toEqual([9, 8, 8, 8])
      expect(page.complete).toBe(false)
      expect(await store.query(queryRequest([{ since: 8 }], 2))).toMatchObject({ complete: true })
    })

    test('several filters: the union, each event once, each filter within its own limit', async () => {
      const mine = [1, 2, 3].map(n => unsigned({ created_at: n * 10 }))
      const bobs = [1, 2, 3].map(n => unsigned({ created_at: n * 10 + 5, pubkey: BOB }))
      await append(...mine, ...bobs)
      const page = await ids({ authors: [ALICE], limit: 1 }, { kinds: [1], limit: 2 })
      expect(page).toEqual([bobs[2]?.id, mine[2]?.id])
    })

    test('large content: `next` goes on where the page ended, and only to what was there when it began', async () => {
      let made = 0
      const big = (created_at: number) => {
        made += 1
        return unsigned({ created_at, content: `${made}${'x'.repeat(50_000)}` })
      }
      const events = [1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 8, 9, 10, 11, 12].map(big)
      await append(...events)
      const wanted = events
        .toSorted((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
        .map(({ id }) => id)
        .slice(0, 14)
      const got: string[] = []
      let request = queryRequest([
        { kinds: [1], limit: 14 },
        { authors: [ALICE], limit: 2 },
      ])
      let pages = 0
      let complete: boolean | undefined
      while (complete === undefined) {
        const page = await store.query(request)
        pages += 1
        got.push(...page.events.map(json => JSON.parse(json).id))
        await append(big(5), big(100))
        if (page.next === undefined) complete = page.complete
        else request = { ...request, ...page.next, upTo: page.seq }
      }
      expect(pages).toBeGreaterThan(2)
      expect(got).toEqual(wanted)
      expect(complete).toBe(false)
    })

    test('empty lists and an inverted window find nothing', async () => {
      await append(unsigned())
      const empties: FilterJson[] = [{ ids: [] }, { authors: [] }, { kinds: [] }, { '#t': [] }, { since: 2, until: 1 }]
      for (const none of empties) {
        expect(await ids(none)).toEqual([])
        expect(await store.count([filter(none)], { keys: [], now: NOW })).toBe(0)
        expect(await log([none])).toEqual([])
      }
      expect(await ids({ ids: [] }, {})).toHaveLength(1)
    })

    test('the largest filter group that the wire lets through', async () => {
      const event = unsigned({
        tags: [
          ['a', 'v0'],
          ['b', 'v1'],
          ['c', 'v2'],
        ],
      })
      await append(event)
      const many = Array.from({ length: 499 }, (_, n) => hex64(`${n}`))
      const values = Array.from({ length: 500 }, (_, n) => `v${n}`)
      const wide: FilterJson = {
        ids: [...many, event.id],
        authors: [...many, ALICE],
        kinds: Array.from({ length: 500 }, (_, n) => n),
        '#a': values,
        '#b': values,
        '#c': values,
      }
      const group = Array.from({ length: 10 }, () => wide)
      expect(await ids(...group)).toEqual([event.id])
      expect(await store.count(group.map(filter), { keys: [], now: NOW })).toBe(1)
      expect(await log(group)).toHaveLength(1)
    })
  })

  test('counted is what lies behind a position, restricted kinds included', async () => {
    const tags = [['p', BOB]]
    await append(unsigned({ kind: 4, tags }), unsigned({ kind: 4700, tags }), unsigned({ kind: 4, tags, content: 'b' }))
    await append(unsigned({ kind: 4700, tags, content: 'b' }), unsigned({ kind: 1, content: 'c' }))
    const counts = (ask: FilterJson) =>
      Promise.all(
        [0, 1, 2, 4, 5].map(since_seq => store.count([filter({ ...ask, since_seq })], { keys: [BOB], now: NOW })),
      )
    expect(await counts({ kinds: [4, 4700], '#p': [BOB] })).toEqual([4, 3, 2, 0, 0])
    expect(await counts({})).toEqual([5, 4, 3, 1, 0])
  })

  test('restricted kinds are served to no stranger, by any path', async () => {
    const restricted = [4, 1059, 21_059, 34_707].map(kind =>
      unsigned({
        kind,
        tags: [
          ['p', BOB],
          ['d', 'x'],
        ],
      }),
    )
    await append(...restricted)
    await append(...restricted.map(({ id }) => deletion([['e', id]])))
    await append(
      unsigned({ kind: 4, tags: [['p', BOB]] }),
      unsigned({
        kind: 34_707,
        created_at: 9_999,
        tags: [
          ['p', BOB],
          ['d', 'x'],
        ],
      }),
    )
    const asks: FilterJson[] = [
      {},
      { '#p': [BOB] },
      { kinds: [4, 34_707] },
      { authors: [ALICE], kinds: [1, 4, 1059, 21_059, 34_707] },
      { ids: restricted.map(({ id }) => id) },
    ]
    for (const ask of asks) {
      const kinds = (await store.query(queryRequest([ask]))).events.map(json => JSON.parse(json).kind)
      expect(kinds.filter(kind => kind !== 5)).toEqual([])
      expect(await store.count([filter(ask)], { keys: [], now: NOW })).toBe(kinds.length)
      for (const [, op, id] of await log([ask])) {
        expect(op).toBe('stored')
        expect(restricted.map(event => event.id)).not.toContain(id)
      }
    }
    // To the parties, but never 34707.
    const asBob = { keys: [BOB], now: NOW }
    expect(await store.count([filter({ kinds: [4] })], asBob)).toBe(1)
    expect(await store.count([filter({ kinds: [34_707] })], asBob)).toBe(0)
    expect((await store.query({ ...queryRequest([{ kinds: [4] }]), keys: [BOB] })).events).toHaveLength(1)
    expect((await store.query({ ...queryRequest([{ kinds: [4] }]), keys: [hex64('eve')] })).events).toHaveLength(0)
    expect(await log([{ kinds: [4, 34_707] }], 0, { keys: [BOB] })).toHaveLength(2)
  })

  test('epochs: each start adds one above all before, beginning at the end', async () => {
    await append(unsigned(), unsigned())
    await store.startEpoch(0, 1)
    const [first, second] = store.epochs
    expect(store.epochs).toHaveLength(2)
    expect([first?.start, second?.start]).toEqual([0, 2])
    expect(String(second?.epoch) > String(first?.epoch)).toBe(true)
    expect(store.head).toEqual({ epoch: second?.epoch, last: 2 })
  })
})
