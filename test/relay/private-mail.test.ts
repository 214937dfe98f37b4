import { type FilterJson, matchFilter, type NostrEvent, type Tag } from 'posthorn/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { sync } from './http-client.ts'
import { filter } from './unsigned.ts'
import { connect, endOf, type Frame, hintsOf, isFor, READS_HINTS, type Wire } from './wire.ts'

// Mail for bob must not show to others in any way. So two relays are told the same, but one of them has the mail beside it: what
// anybody but bob is answered must be the same, word for word, on both. Only positions in the log may differ.

const [alice, bob, carol] = [person('alice'), person('bob'), person('carol')]
const now = nowSeconds()
const WORD = 'albatross'
const tags: Tag[] = [
  ['p', bob.pubkey],
  ['t', WORD],
  ['e', 'ab'.repeat(32)],
]
const at = (ago: number, kind: number, content = WORD, more: readonly Tag[] = []): NostrEvent =>
  carol.sign({ kind, created_at: now - ago, content, tags: [...tags, ...more] })

/** Four kinds of mail that may be stored, at both ends and between what is public. */
const mail = [at(90, 4), at(70, 1059), at(51, 4, 'second'), at(50, 1059, 'second'), at(10, 1059, 'last')]
const regretted = at(60, 1059, 'taken back')
/** For the relay alone: not even bob is served it. */
const lease = at(65, 34_707, 'sealed', [['d', 'x']])
const notes = [at(80, 1), at(60, 1, 'another'), at(50, 1, 'of the same second'), at(40, 7), at(30, 1, 'the last')]
/** Public: whoever takes back his mail tells its id. */
const deletion = bob.sign({ kind: 5, created_at: now - 20, tags: [['e', regretted.id]] })

const [n1, n2, n3, n4, n5] = notes
const [m1, m2, m3, m4, m5] = mail
const story = [m1, n1, m2, lease, n2, regretted, m3, n3, m4, n4, n5, deletion, m5].flatMap(event => event ?? [])
const hidden = new Set([...mail, regretted, lease])

/** Every way to ask that could find mail. */
const SHAPES: readonly FilterJson[] = [
  {},
  { ids: [...hidden].map(({ id }) => id) },
  { ids: [...hidden, ...notes].map(({ id }) => id) },
  { authors: [carol.pubkey] },
  { authors: [carol.pubkey, bob.pubkey], '#p': [bob.pubkey] },
  { '#p': [bob.pubkey] },
  { '#p': [alice.pubkey, bob.pubkey] },
  { '#t': [WORD] },
  { '#e': ['ab'.repeat(32)], '#t': [WORD] },
  { kinds: [1, 4, 1059, 21_059, 34_707] },
  { kinds: [1, 1059], '#p': [bob.pubkey] },
  { kinds: [4] },
  { kinds: [1059] },
  { kinds: [4, 1059, 21_059], '#p': [bob.pubkey] },
  { kinds: [1059], authors: [carol.pubkey] },
  { kinds: [4], ids: mail.map(({ id }) => id) },
  { kinds: [34_707] },
  { kinds: [34_707], authors: [carol.pubkey], '#d': ['x'] },
  { since: now - 75, until: now - 45 },
  { since: now - 90, until: now - 90 },
  { until: now - 85, authors: [carol.pubkey] },
]
const LIMITS = [1, 2, notes.length, notes.length + 1]

interface Seen {
  readonly relay: RunningRelay
  readonly wire: Wire
  readonly who: Person | undefined
}
/** What a viewer was told, with positions and the run's name struck out. */
type Told = unknown[]
/** Asks in one way with one shape. */
type Path = (seen: Seen, shape: FilterJson) => Promise<Told>

const plain = ({ relay }: Seen, frames: readonly Frame[]): Told => {
  const { epoch } = relay.relay.head
  return frames.map(frame => {
    if (frame[0] === 'EVENT') return frame.length === 4 ? [...frame.slice(0, 3), 'N'] : frame
    if (frame[0] === 'SEQ') return ['SEQ', frame[1], 'N', frame[3] === epoch ? 'E' : frame[3]]
    if (frame[0] === 'GONE') return [...frame.slice(0, 2), 'N', ...frame.slice(3)]
    if (frame[0] !== 'EOSE') return frame
    const hints = (frame[2] as string[]).map(hint => hint.replace(/^seq:\d+$/, 'seq:N').replace(epoch, 'E'))
    return ['EOSE', frame[1], hints]
  })
}

const eachLimit = async (told: (limit: number) => Promise<Told>): Promise<Told> => {
  const all: Told = []
  for (const limit of LIMITS) all.push(await told(limit))
  return all
}

let asked = 0
const request = async (seen: Seen, ...filters: FilterJson[]): Promise<Frame[]> => {
  asked += 1
  const sub = `s${asked}`
  const frames = await seen.wire.request(sub, ...filters)
  seen.wire.send('CLOSE', sub)
  // The name of the subscription is ours.
  return frames.filter(frame => frame[1] === sub).map(frame => [frame[0], 's', ...frame.slice(2)])
}

/** All pages of the log, each of at most `limit`. */
const pages = async (seen: Seen, shape: FilterJson, limit: number): Promise<Told> => {
  const told: Told = []
  let cursor: FilterJson = { since_seq: 0 }
  for (let page = 0; page < 50; page += 1) {
    const frames = await request(seen, { ...shape, ...cursor, gone: true, limit })
    told.push(plain(seen, frames))
    if (frames.at(-1)?.[0] === 'CLOSED') return told
    const hints = hintsOf(frames.at(-1))
    if ('finish' in hints) return told
    cursor = { since_seq: Number(hints['seq']), epoch: String(hints['epoch']) }
  }
  throw new Error('no end of pages')
}

const negotiate: Path = async ({ wire }, shape) => {
  // Version, a range up to infinity, a list of no ids: tell me all.
  wire.send('NEG-OPEN', 'n', shape, '6100000200')
  const answer = await wire.find(([type]) => type === 'NEG-MSG' || type === 'NEG-ERR')
  wire.send('NEG-CLOSE', 'n')
  return [answer]
}

const page = async (seen: Seen, shape: FilterJson, query: object): Promise<Told> => {
  const { status, body } = await sync(seen.relay.httpUrl, { filter: { ...shape, gone: true }, ...query }, seen.who)
  if (status !== 200) return [status, body]
  const strike = (rows: { seq: number }[]) => rows.map(row => ({ ...row, seq: 'N' }))
  return [{ ...body, seq: 'N', epoch: 'E', events: strike(body.events), gone: strike(body.gone) }]
}

/** `ids`: the path does not take a filter by ids. `blind`: not even who may read mail finds it this way. */
const PATHS: Record<string, { ask: Path; ids?: false; blind?: true; limits?: true }> = {
  'a stored query': { ask: async (seen, shape) => plain(seen, await request(seen, shape)) },
  'a stored query with a limit': {
    limits: true,
    ask: (seen, shape) => eachLimit(async limit => plain(seen, await request(seen, { ...shape, limit }))),
  },
  'a stored query beside another filter': {
    ask: async (seen, shape) => plain(seen, await request(seen, shape, { kinds: [7] })),
  },
  COUNT: {
    ask: async (seen, shape) => {
      const counted = [await seen.wire.count(shape), await seen.wire.count(shape, { kinds: [7] })]
      return counted.map(([type, , ...rest]) => [type, ...rest])
    },
  },
  search: {
    blind: true,
    ask: async (seen, shape) => plain(seen, await request(seen, { ...shape, search: WORD })),
  },
  'search with a limit': {
    blind: true,
    ask: async (seen, shape) => plain(seen, await request(seen, { ...shape, search: WORD, limit: 2 })),
  },
  negentropy: { ask: negotiate },
  'negentropy with a limit': { limits: true, ask: (seen, shape) => negotiate(seen, { ...shape, limit: 3 }) },
  'the log, in one page': { ids: false, ask: (seen, shape) => pages(seen, shape, 500) },
  'the log, in pages of one': { ids: false, ask: (seen, shape) => pages(seen, shape, 1) },
  'the log, in pages of two': { ids: false, ask: (seen, shape) => pages(seen, shape, 2) },
  'the log, in a page that is just full': {
    ids: false,
    ask: async (seen, shape) => [
      ...(await pages(seen, shape, notes.length)),
      ...(await pages(seen, shape, notes.length + 1)),
    ],
  },
  'GET /sync': { ids: false, ask: (seen, shape) => page(seen, shape, { since_seq: 0 }) },
  'GET /sync with a limit': {
    ids: false,
    limits: true,
    ask: (seen, shape) => eachLimit(limit => page(seen, { ...shape, limit }, { since_seq: 0 })),
  },
}

const relays: RunningRelay[] = []
beforeAll(async () => {
  for (const withMail of [true, false]) {
    const relay = await startRelay()
    relays.push(relay)
    for (const event of story) if (withMail || !hidden.has(event)) await write(relay, event)
  }
})
afterAll(async () => {
  for (const relay of relays) await relay[Symbol.asyncDispose]()
})

async function write({ httpUrl }: RunningRelay, event: NostrEvent): Promise<void> {
  const response = await fetch(`${httpUrl}/event`, { method: 'POST', body: JSON.stringify(event) })
  expect(await response.json()).toMatchObject({ accepted: true })
}

/** Connects to the relay with the mail, or to the one without. */
async function look(withMail: boolean, who: Person | undefined): Promise<Seen> {
  const relay = relays[withMail ? 0 : 1]
  if (relay === undefined) throw new Error('not started')
  const wire = await connect(relay.url, READS_HINTS)
  if (who !== undefined) {
    const auth = who.sign({
      kind: 22_242,
      created_at: now,
      tags: [
        ['relay', relay.url],
        ['challenge', wire.challenge],
      ],
    })
    wire.send('AUTH', auth)
    expect((await wire.find(isFor('OK', auth.id)))[2]).toBe(true)
  }
  return { relay, wire, who }
}

const shapesFor = (takesIds: false | undefined) => SHAPES.filter(({ ids }) => takesIds !== false || ids === undefined)

describe.each([
  ['a stranger', undefined],
  ['alice, authenticated', alice],
] as const)('to %s, with and without bob’s mail are the same', (_, who) => {
  test.each(Object.entries(PATHS))('%s', async (_name, { ask, ids }) => {
    const [full, empty] = [await look(true, who), await look(false, who)]
    for (const shape of shapesFor(ids)) {
      const told = await ask(full, shape)
      expect(told, JSON.stringify(shape)).toEqual(await ask(empty, shape))
      // Ids may be named by the deletion, which is public, and in what was asked for; the mail itself by nobody.
      for (const event of hidden) expect(JSON.stringify(told)).not.toContain(event.sig)
    }
  })
})

describe('to bob, authenticated', () => {
  test.each(Object.entries(PATHS))('%s', async (_name, { ask, ids, blind, limits }) => {
    const [full, empty] = [await look(true, bob), await look(false, bob)]
    for (const shape of shapesFor(ids)) {
      const [told, without] = [await ask(full, shape), await ask(empty, shape)]
      const text = JSON.stringify(told)
      expect(text).not.toContain(lease.sig)
      expect(text).not.toContain(regretted.sig)
      const mine = mail.filter(event => matchFilter(filter(shape), event))
      if (blind || mine.length === 0) {
        expect(told, JSON.stringify(shape)).toEqual(without)
        continue
      }
      expect(told, JSON.stringify(shape)).not.toEqual(without)
      if (limits || text.includes('"COUNT"')) continue
      for (const { id } of mine) expect(text, JSON.stringify(shape)).toContain(id)
    }
  })

  test('COUNT counts his mail, and no lease', async () => {
    const { wire } = await look(true, bob)
    expect((await wire.count({ kinds: [4, 1059], '#p': [bob.pubkey] }))[2]).toEqual({ count: mail.length })
    expect((await wire.count({ authors: [carol.pubkey] }))[2]).toEqual({ count: mail.length + notes.length })
  })

  test('what he has taken back is told as gone, to him alone', async () => {
    const goneFor = async (who: Person | undefined) =>
      gonesOf(await pages(await look(true, who), { authors: [carol.pubkey] }, 500))
    expect(await goneFor(bob)).toEqual([['GONE', 's', 'N', regretted.id, 'deleted']])
    expect(await goneFor(alice)).toEqual([])
    expect(await goneFor(undefined)).toEqual([])
  })
})

const gonesOf = (told: Told): unknown[] => told.flat().filter(frame => Array.isArray(frame) && frame[0] === 'GONE')

test('live: mail, its removal and a wait for it show to nobody but bob', async () => {
  // Not more than may be open at a time, in both modes.
  const shapes = SHAPES.filter(({ ids, until }) => ids === undefined && until === undefined).slice(0, 14)
  const modes: FilterJson[] = [{}, { since_seq: 0, gone: true }]
  const viewers = [undefined, alice, bob].flatMap(who => [
    { who, withMail: true },
    { who, withMail: false },
  ])
  const all = await Promise.all(
    viewers.map(async viewer => {
      const seen = await look(viewer.withMail, viewer.who)
      for (const [m, mode] of modes.entries())
        for (const [n, shape] of shapes.entries()) {
          const sub = `live ${m} ${n}`
          seen.wire.send('REQ', sub, { ...shape, ...mode })
          await seen.wire.find(endOf(sub))
        }
      return { ...viewer, seen, before: seen.wire.received.length }
    }),
  )
  const waits = [alice, undefined].map(async who => {
    const [full, empty] = [await look(true, who), await look(false, who)]
    const { last, epoch } = full.relay.relay.head
    const other = empty.relay.relay.head
    const waitFor = (seen: Seen, head: typeof other) =>
      page(seen, { '#t': ['live mail'] }, { since_seq: head.last, epoch: head.epoch, wait: 2 })
    return Promise.all([waitFor(full, { last, epoch }), waitFor(empty, other)])
  })

  const live = (kind: number, content: string) =>
    carol.sign({ kind, created_at: now, content, tags: [...tags, ['t', 'live mail']] })
  const [letter, wrap, fleeting] = [live(4, 'letter'), live(1059, 'wrap'), live(21_059, 'fleeting')]
  const marker = carol.sign({ created_at: now, content: 'marker', tags })
  const [full, empty] = relays
  if (full === undefined || empty === undefined) throw new Error('not started')
  for (const event of [letter, wrap, fleeting]) await write(full, event)
  for (const relay of [full, empty]) {
    await write(relay, bob.sign({ kind: 5, created_at: now, tags: [['e', wrap.id]] }))
    await write(relay, marker)
  }

  const heard = await Promise.all(
    all.map(async ({ who, seen, before }) => {
      const isMarker = (frame: Frame) => frame[0] === 'EVENT' && (frame[2] as NostrEvent).id === marker.id
      // The widest subscription of the last mode hears the marker; what comes with it is told by then.
      await seen.wire.find(frame => isMarker(frame) && frame[1] === 'live 1 0')
      await seen.wire.quiet()
      // Checkpoints come by time, whatever moved the log.
      const told = seen.wire.received.slice(before).filter(([type]) => type !== 'SEQ')
      return { who, told: plain(seen, told) }
    }),
  )
  for (const who of [undefined, alice]) {
    const [withMail, without] = heard.filter(one => one.who === who)
    expect(withMail?.told).toEqual(without?.told)
    expect(withMail?.told.length).toBeGreaterThan(4)
    for (const event of [letter, wrap, fleeting]) expect(JSON.stringify(withMail)).not.toContain(event.sig)
  }
  const [his] = heard.filter(one => one.who === bob)
  for (const event of [letter, wrap, fleeting]) expect(JSON.stringify(his)).toContain(event.sig)
  expect(his?.told).toContainEqual(['GONE', 'live 1 0', 'N', wrap.id, 'deleted'])
  for (const [withMail, without] of await Promise.all(waits)) {
    expect(withMail).toEqual(without)
    expect(withMail).toMatchObject([{ events: [] }])
  }
})
