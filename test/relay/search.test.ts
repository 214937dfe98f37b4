import { createHash } from 'node:crypto'
import { defaultLimits, eventId, type FilterJson, type NostrEvent, parseFilter } from 'posthorn/protocol'
import { createMemoryStore, openSqliteStore, type Store } from 'posthorn/relay'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { createSearchPace } from '#dist/relay/log/sqlite/search-pace.js'
import { queryTerms, searchableText, termsOf } from '#dist/relay/search.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'
import { dice } from './dice.ts'
import { connect, hintsOf, idsOf, READS_HINTS } from './wire.ts'

const NOW = 2_000_000
const author = (name: string) => createHash('sha256').update(name).digest('hex')
const ALICE = author('alice')
const BOB = author('bob')
let second = 1_000
/** The id holds, the signature does not: the store trusts the stages before it. */
function said(content: string, fields: Partial<NostrEvent> = {}): NostrEvent {
  second += 1
  const template = { pubkey: ALICE, created_at: second, kind: 1, tags: [], content, ...fields }
  return { ...template, id: eventId(template.pubkey, template), sig: '0'.repeat(128) }
}
const parse = (json: FilterJson) => {
  const parsed = parseFilter(json, defaultLimits)
  if (!parsed.ok) throw new Error(parsed.error.text)
  return parsed.value
}

/** What FTS5 and SQL would take for more than words. */
const HOSTILE = [
  '"',
  '""',
  '" OR "1',
  'words OR nothing',
  'words NOT plain',
  'NEAR(words plain)',
  'words*',
  '^words',
  '-words',
  'words:plain',
  '{words}: plain',
  'words + plain',
  '(words',
  "words'; DROP TABLE events; --",
  'rank MATCH 1',
  '\u0000words',
  'words\u0000',
  '\ud800',
  'AND',
  '😀',
  '%_\\',
]

describe('words', () => {
  test.each([
    ['Grüße, aus KÖLN!', ['grusse', 'aus', 'koln']],
    ['ﬁne—print foo_bar v2', ['fine', 'print', 'foo', 'bar', 'v2']],
    ['日本語 text', ['日', '本', '語', 'text']],
    ['Привет ΚΌΣΜΕ', ['привет', 'κοσμε']],
    ['', []],
    ['!!! "" ()', []],
    ['x'.repeat(100), ['x'.repeat(64)]],
  ])('of %j', (text, words) => {
    // The sharp s has no accent to lose; it stays what it is.
    expect(termsOf(text).map(word => word.replaceAll('ß', 'ss'))).toEqual(words)
  })

  test.each([
    ['best language:en relay', ['best', 'relay']],
    ['include:spam', []],
    ['https://example.com/x', ['https', 'example', 'com', 'x']],
    ['a a A', ['a']],
  ])('a query for %j', (text, words) => {
    expect(queryTerms(text)).toEqual(words)
  })

  const sealed = 'AnDVhFT4gBXZkrgMjhLxdS3sdxcPHCTtkt4vEWd8LURtvGPHy6bJZv3+abc='
  test.each([
    [1, 'plain words', 'plain words'],
    [0, '{"name":"Ada","about":"sails","n":1,"deep":{"x":["y"]}}', 'Ada sails y'],
    [0, 'not json', undefined],
    [4700, 'clear text', 'clear text'],
    [4700, sealed, undefined],
    [10_000, `${sealed}?iv=abcd==`, undefined],
    [4, 'hello', undefined],
    [1059, 'hello', undefined],
    [4701, 'received', undefined],
    [34_701, 'delta', undefined],
    [34_707, 'lease', undefined],
    [6, '{"id":1}', undefined],
    [1, '', undefined],
  ])('kind %i %j', (kind, content, text) => {
    expect(searchableText({ kind, content })).toBe(text)
  })
})

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
  const append = (...events: NostrEvent[]) => store.append(events, NOW * 1000)
  const ask = async (...filters: FilterJson[]) => {
    const found = await store.search({
      filters: filters.map(json => ({ filter: parse(json), limit: json.limit ?? 500 })),
      keys: [],
      now: NOW,
    })
    const { events } = await store.texts(found.seqs)
    return { ...found, contents: events.map(text => (JSON.parse(text) as NostrEvent).content) }
  }
  const contents = async (...filters: FilterJson[]) => (await ask(...filters)).contents

  test('every word must be there, in any order, whatever case and accents', async () => {
    await append(said('the Café in Zürich'), said('zurich has no cafe today'), said('a cafe'), said('Zurich'))
    expect(await contents({ search: 'ZURICH café' })).toHaveLength(2)
    expect(await contents({ search: 'zur' })).toEqual([])
    expect(await contents({ search: 'cafe language:en' })).toHaveLength(3)
  })

  test('ranks before it limits; of equals the newest comes first', async () => {
    const filler = Array.from({ length: 20 }, (_, n) => said(`nothing here ${n}`))
    const about = said('relay relay relay')
    const passing = said('one long text about many things that only says relay once in passing and goes on and on')
    const [first, last] = [said('my relay'), said('my relay')]
    await append(...filler, about, passing, first, last)
    expect(await contents({ search: 'relay' })).toEqual([about, last, first, passing].map(event => event.content))
    const best = await ask({ search: 'relay', limit: 1 })
    expect(best).toMatchObject({ contents: [about.content], complete: false })
    expect(await ask({ search: 'relay', limit: 4 })).toMatchObject({ complete: true, seq: store.head.last })
    expect((await ask({ search: 'my relay' })).seqs).toEqual([24, 23])
  })

  test('all other conditions apply, and filters join without repeats', async () => {
    await append(
      said('word one', { tags: [['t', 'x']] }),
      said('word two', { pubkey: BOB }),
      said('word three', { kind: 30_023 }),
      said('word four', { tags: [['expiration', String(NOW)]] }),
    )
    expect(await contents({ search: 'word', '#t': ['x'] })).toEqual(['word one'])
    expect(await contents({ search: 'word', authors: [BOB] })).toEqual(['word two'])
    expect(await contents({ search: 'word', kinds: [30_023] })).toEqual(['word three'])
    expect(await contents({ search: 'word', since: 1_000_000 })).toEqual([])
    expect(await contents({ search: 'word', kinds: [] })).toEqual([])
    expect((await contents({ search: 'word' })).sort()).toEqual(['word one', 'word three', 'word two'])
    expect(await contents({ search: 'two' }, { search: 'word', limit: 2 }, { search: 'one' })).toEqual([
      'word two',
      'word three',
      'word one',
    ])
  })

  test('what is replaced, deleted, vanished or expired is not found, not even counted', async () => {
    const old = said('{"name":"old name"}', { kind: 0 })
    await append(old, said('{"name":"new name"}', { kind: 0 }))
    const note = said('deleted words')
    await append(note, said('', { kind: 5, tags: [['e', note.id]] }))
    await append(
      said('bob was here', { pubkey: BOB }),
      said('', { kind: 62, pubkey: BOB, tags: [['relay', 'ALL_RELAYS']] }),
    )
    await append(said('short lived', { tags: [['expiration', '1500000']] }))
    await store.sweepExpired(1_500_000)
    for (const search of ['old', 'deleted', 'bob', 'lived']) {
      expect(await contents({ search })).toEqual([])
      expect(await store.count([parse({ search })], { keys: [], now: 0 })).toBe(0)
    }
    expect(await contents({ search: 'name' })).toHaveLength(1)
  })

  test('private mail is not in the index, whoever asks', async () => {
    await append(said('secret words', { kind: 4, tags: [['p', BOB]] }), said('public words'))
    for (const keys of [[], [ALICE], [BOB]]) {
      const found = await store.search({ filters: [{ filter: parse({ search: 'words' }), limit: 9 }], keys, now: NOW })
      expect(found.seqs).toEqual([2])
      expect(await store.count([parse({ search: 'words' })], { keys, now: NOW })).toBe(1)
    }
  })

  test('COUNT and reconciliation take the same words', async () => {
    await append(said('alpha beta'), said('alpha'), said('gamma'))
    const count = (...filters: FilterJson[]) => store.count(filters.map(parse), { keys: [], now: NOW })
    expect(await count({ search: 'alpha' })).toBe(2)
    expect(await count({ search: 'alpha' }, { search: 'gamma' })).toBe(3)
    expect(await count({ search: 'alpha beta' }, { kinds: [1] })).toBe(3)
    const stubs = await store.stubs({ filter: parse({ search: 'alpha' }), keys: [], now: NOW, limit: 10 })
    expect(stubs.times).toHaveLength(2)
  })

  test('text is never syntax', async () => {
    await append(said('plain words'), said('other'))
    for (const search of HOSTILE) {
      const wanted = queryTerms(search)
      const fits = wanted.length > 0 && wanted.every(word => ['plain', 'words'].includes(word))
      expect([search, await contents({ search })]).toEqual([search, fits ? ['plain words'] : []])
      expect(await contents({ search: 'words' })).toEqual(['plain words'])
    }
  })
})

test('both stores find and order alike', async () => {
  const roll = dice(testSeed('search'))
  const dir = makeTempDir()
  const stores = [createMemoryStore(), await openSqliteStore(dir)]
  const vocabulary = ['ant', 'bee', 'cat', 'Dög', '犬', 'elk']
  const text = (most: number) => Array.from({ length: 1 + roll.below(most) }, () => roll.of(vocabulary)).join(' ')
  const events = Array.from({ length: 150 }, () =>
    said(text(8), { kind: roll.of([1, 1, 1, 4, 4701]), created_at: 1_000 + roll.below(9) }),
  )
  for (const store of stores) {
    await store.startEpoch(1, 1)
    await store.append(events, NOW)
  }
  for (let round = 0; round < 60; round += 1) {
    const filter = parse({ search: text(3), ...(roll.chance(0.3) ? { since: 1_004 } : {}) })
    const limit = 1 + roll.below(30)
    const [memory, disk] = await Promise.all(
      stores.map(store => store.search({ filters: [{ filter, limit }], keys: [], now: NOW })),
    )
    expect(disk).toEqual(memory)
  }
  await Promise.all(stores.map(store => store.close()))
  removeDir(dir)
})

test('a log without an index gets one when it is opened', async () => {
  const dir = makeTempDir()
  const write = await openSqliteStore(dir)
  await write.startEpoch(1, 1)
  await write.append([said('from before'), said('sealed', { kind: 4 })], NOW)
  await write.close()
  const db = new (loadDriver())(`${dir}/log.db`)
  db.exec(`INSERT INTO search (search) VALUES ('delete-all'); UPDATE search_version SET version = 0`)
  db.close()
  const store = await openSqliteStore(dir)
  const found = await store.search({ filters: [{ filter: parse({ search: 'before' }), limit: 9 }], keys: [], now: NOW })
  expect(found.seqs).toEqual([1])
  await store.close()
  removeDir(dir)
})

describe('on the wire', () => {
  const alice = person('alice')
  let relay: RunningRelay
  beforeAll(async () => {
    relay = await startRelay()
  })
  afterAll(() => relay[Symbol.asyncDispose]())

  test('events best first, EOSE, then CLOSED: a search is not live', async () => {
    const wire = await connect(relay.url, READS_HINTS)
    const now = nowSeconds()
    const weak = alice.sign({
      content: 'a long text that mentions the posthorn once among other things',
      created_at: now,
    })
    const strong = alice.sign({ content: 'posthorn posthorn', created_at: now - 9 })
    for (const event of [weak, strong, alice.sign({ content: 'unrelated' })]) await wire.publish(event)
    const frames = await wire.request('s', { search: 'posthorn' })
    expect(idsOf(frames)).toEqual([strong.id, weak.id])
    expect(hintsOf(frames.at(-1))).toMatchObject({ finish: '', seq: expect.any(String) })
    expect(await wire.next()).toEqual(['CLOSED', 's', expect.stringMatching(/^unsupported: .*not live/)])
    expect(hintsOf((await wire.request('s', { search: 'posthorn', limit: 1 })).at(-1))).toMatchObject({ more: '' })
    await wire.next()
    expect(await wire.count({ search: 'posthorn' })).toMatchObject(['COUNT', expect.anything(), { count: 2 }])
    await wire.publish(alice.sign({ content: 'posthorn again', created_at: now }))
    await wire.quiet()
    expect(wire.rest()).toEqual([])
  })

  test('pages through answers that are larger than one page', async () => {
    const wire = await connect(relay.url)
    const big = Array.from({ length: 20 }, (_, n) =>
      alice.sign({ content: `bulky ${n} ${'z '.repeat(20_000)}`, created_at: nowSeconds() }),
    )
    for (const event of big) await wire.publish(event)
    expect(idsOf(await wire.request('s', { search: 'bulky' })).sort()).toEqual(big.map(event => event.id).sort())
  })

  test('without words it is no condition, and live', async () => {
    const wire = await connect(relay.url)
    expect((await wire.request('s', { search: 'language:en', limit: 0 })).at(-1)?.[0]).toBe('EOSE')
    const event = alice.sign({ content: 'anything', created_at: nowSeconds() })
    await wire.publish(event)
    expect(idsOf(wire.received)).toContain(event.id)
  })

  test.each<[string, FilterJson[], RegExp]>([
    ['log order', [{ search: 'x', since_seq: 0 }], /^invalid: /],
    ['a mixture', [{ search: 'x' }, { kinds: [1] }], /^unsupported: /],
    ['n+1 bytes', [{ search: 'x'.repeat(257) }], /^invalid: /],
    ['no text', [{ search: 7 as never }], /^invalid: /],
  ])('%s is refused', async (_, filters, why) => {
    const wire = await connect(relay.url)
    expect((await wire.request('s', ...filters)).at(-1)).toEqual(['CLOSED', 's', expect.stringMatching(why)])
  })

  test.each([0, 1, 256])('%i bytes are taken', async bytes => {
    const wire = await connect(relay.url)
    expect((await wire.request('s', { search: 'x'.repeat(bytes), limit: 1 })).at(-1)?.[0]).toBe('EOSE')
  })

  test('a private kind alone is refused as in any REQ', async () => {
    const wire = await connect(relay.url)
    expect((await wire.request('s', { search: 'x', kinds: [4] })).at(-1)).toEqual([
      'CLOSED',
      's',
      expect.stringMatching(/^auth-required: /),
    ])
  })
})

describe('the index behind the log', () => {
  test('a search finds what was stored the moment before, however much it was', async () => {
    const dir = makeTempDir()
    const store = await openSqliteStore(dir)
    const batches = Array.from({ length: 5 }, (_, batch) =>
      Array.from({ length: 100 }, (_, n) => said(`needle ${batch} ${n}`)),
    )
    for (const [index, events] of batches.entries()) {
      const stored = store.append(events, NOW)
      await stored
      const [filter, who] = [parse({ search: 'needle' }), { keys: [], now: NOW }]
      const [found, count, stubs] = await Promise.all([
        store.search({ filters: [{ filter, limit: 1_000 }], ...who }),
        store.count([filter], who),
        store.stubs({ filter, limit: 1_000, ...who }),
      ])
      expect([found.seqs.length, count, stubs.times.length]).toEqual([1, 1, 1].map(n => n * 100 * (index + 1)))
    }
    await store.close()
    removeDir(dir)
  })

  test('goes on where it was after a restart, also over events that are gone by then', async () => {
    const dir = makeTempDir()
    const quiet = await openSqliteStore(dir, { search: false })
    const [gone, kept] = [said('needle gone'), said('needle kept')]
    await quiet.append([gone, kept, said('', { kind: 5, tags: [['e', gone.id]] })], NOW)
    await quiet.close()
    const store = await openSqliteStore(dir)
    const filters = [{ filter: parse({ search: 'needle' }), limit: 9 }]
    expect((await store.search({ filters, keys: [], now: NOW })).seqs).toEqual([2])
    await store.close()
    removeDir(dir)
  })

  test('waits while others write, follows when they are done, and refuses a search that would wait for too much', async () => {
    const log = { last: 200_000, busy: true, reached: 0 }
    const pace = createSearchPace({
      searchable: 0,
      last: () => log.last,
      busy: () => log.busy,
      advance: async rows => {
        log.reached = Math.min(log.last, log.reached + rows)
        return log.reached
      },
    })
    await expect(pace.upToDate()).rejects.toMatchObject({ code: 'search-behind' })
    await pace.idle()
    const bit = log.reached
    expect(bit).toBeGreaterThan(0)
    log.last = bit + 10
    pace.wake()
    await pace.idle()
    expect(log.reached).toBe(bit)
    log.busy = false
    pace.wake()
    await pace.idle()
    expect(log.reached).toBe(log.last)
    log.last += 1_500
    await pace.upToDate()
    expect(log.reached).toBe(log.last)
    await pace.stop()
  })

  test('a relay without search says so and refuses', async () => {
    await using quiet = await startRelay({ search: false })
    const wire = await connect(quiet.url)
    const closed = ['CLOSED', 's', expect.stringMatching(/^unsupported: .*no search/)]
    expect((await wire.request('s', { search: 'word' })).at(-1)).toEqual(closed)
    expect((await wire.count({ search: 'word' }))?.[0]).toBe('CLOSED')
    expect((await wire.request('s', { search: '' })).at(-1)?.[0]).toBe('EOSE')
    const headers = { accept: 'application/nostr+json' }
    const info = (await (await fetch(quiet.url.replace('ws', 'http'), { headers })).json()) as { supported_nips: [] }
    expect(info.supported_nips).not.toContain(50)
  })
})
