import { createMemoryStore, type LogRequest } from 'posthorn/relay'
import { beforeEach, describe, expect, test } from 'vitest'
import { ReadAhead, type ReadAheadHost } from '#dist/relay/read-ahead.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { manualTime, startRelay } from './relay-on-test.ts'
import { ALICE, BOB, logRequest, NOW, unsigned } from './unsigned.ts'
import { hintsOf, idsOf } from './wire.ts'

const PAGE = 4

describe('the page that is read ahead', () => {
  const time = manualTime()
  const store = createMemoryStore()
  let reads: LogRequest[]
  let second: number
  let host: { -readonly [K in keyof ReadAheadHost]: ReadAheadHost[K] }
  let ahead: ReadAhead
  const at = (after: number, more: Partial<LogRequest> = {}) =>
    logRequest([{ kinds: [1], authors: [ALICE] }], after, { limit: PAGE, now: second, gone: false, ...more })
  /** The client has been sent two pages, and a third is due. */
  const goOn = () => {
    ahead.prepare(0, at(PAGE))
    ahead.prepare(PAGE, at(2 * PAGE))
  }

  beforeEach(async () => {
    if (store.head.last === 0)
      await store.append(
        Array.from({ length: 5 * PAGE }, () => unsigned()),
        NOW,
      )
    reads = []
    second = NOW
    host = {
      store: {
        readLog: request => {
          reads.push(request)
          return store.readLog(request)
        },
      },
      timers: time.timers,
      now: () => second,
      removals: 0,
      held: 0,
    }
    ahead = new ReadAhead(host)
  })

  test('is what reading now would give, is given once, and only to who goes on', async () => {
    ahead.prepare(0, at(PAGE))
    expect(reads).toHaveLength(0)
    ahead.prepare(PAGE, at(2 * PAGE))
    expect(reads).toHaveLength(1)
    expect(await ahead.take(at(2 * PAGE))).toEqual(await store.readLog(at(2 * PAGE)))
    expect(await ahead.take(at(2 * PAGE))).toBeUndefined()
    // From somewhere else.
    ahead.prepare(3, at(PAGE))
    expect(reads).toHaveLength(1)
    expect(host.held).toBe(0)
  })

  test.each<[string, () => LogRequest]>([
    ['another place', () => at(2 * PAGE + 1)],
    ['another size', () => at(2 * PAGE, { limit: PAGE + 1 })],
    ['other keys', () => at(2 * PAGE, { keys: [BOB] })],
    ['removals too', () => at(2 * PAGE, { gone: true })],
    ['another author', () => at(2 * PAGE, { filters: logRequest([{ kinds: [1], authors: [BOB] }]).filters })],
    ['a wider filter', () => at(2 * PAGE, { filters: logRequest([{ kinds: [1] }]).filters })],
    ['a second later', () => at(2 * PAGE, { now: NOW + 1 })],
  ])('is not for %s', async (_, request) => {
    goOn()
    expect(await ahead.take(request())).toBeUndefined()
  })

  test('is not served after a removal, whether that came before or while it was waited for', async () => {
    goOn()
    host.removals += 1
    expect(await ahead.take(at(2 * PAGE))).toBeUndefined()
    ahead.prepare(2 * PAGE, at(3 * PAGE))
    const taken = ahead.take(at(3 * PAGE))
    host.removals += 1
    expect(await taken).toBeUndefined()
  })

  test('is not the end of the log, where what comes meanwhile belongs to it', async () => {
    ahead.prepare(0, at(4 * PAGE))
    ahead.prepare(4 * PAGE, at(4 * PAGE + 1))
    expect(reads).toHaveLength(1)
    expect(await ahead.take(at(4 * PAGE + 1))).toBeUndefined()
  })

  test('waits for a second, and takes one of few places', async () => {
    const many = Array.from({ length: 17 }, () => new ReadAhead(host))
    for (const each of many) {
      each.prepare(0, at(PAGE))
      each.prepare(PAGE, at(2 * PAGE))
    }
    expect([host.held, reads.length]).toEqual([16, 16])
    await time.advance(1_000)
    expect(host.held).toBe(0)
    expect(await many[0]?.take(at(2 * PAGE))).toBeUndefined()
    goOn()
    expect(host.held).toBe(1)
    ahead.drop()
    ahead.drop()
    expect(host.held).toBe(0)
  })

  test('fails for nobody: the request itself reads again', async () => {
    host.store = { readLog: () => Promise.reject(new Error('no')) }
    goOn()
    expect(await ahead.take(at(2 * PAGE))).toBeUndefined()
  })
})

test('page by page everything comes once, and what was deleted between two pages does not', async () => {
  const alice = person('alice')
  const server = await startRelay()
  const [reader, writer] = [await server.connect(), await server.connect()]
  const events = Array.from({ length: 30 }, (_, n) => alice.sign({ created_at: nowSeconds() - n, content: `${n}` }))
  for (const event of events) await writer.publish(event)
  const { epoch } = server.relay.head
  const deleted = new Set<string>()
  const ids: string[] = []
  for (let since = 0, more = true, page = 0; more; page += 1) {
    const frames = await reader.request(`p${page}`, {
      kinds: [1],
      since_seq: since,
      limit: 3,
      ...(since > 0 ? { epoch } : {}),
    })
    ids.push(...idsOf(frames))
    const eose = frames.at(-1)
    since = Number(hintsOf(eose)['seq'])
    more = JSON.stringify(eose).includes('"more"')
    const next = events[since]
    if (page % 3 === 2 && next !== undefined && since < events.length) {
      await writer.publish(alice.sign({ kind: 5, created_at: nowSeconds(), tags: [['e', next.id]] }))
      deleted.add(next.id)
    }
  }
  expect(deleted.size).toBeGreaterThan(1)
  expect(ids).toEqual(events.filter(({ id }) => !deleted.has(id)).map(({ id }) => id))
})
