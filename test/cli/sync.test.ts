import { connect, reconcile } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemTimers } from '#dist/platform/timers.js'
import { corrupt, notes, nowSeconds, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { dice } from '../relay/dice.ts'
import { scriptedRelay } from '../sdk/scripted-relay.ts'
import { inProcess } from './posthorn.ts'

const alice = person('alice')
let one: RunningRelay
let two: RunningRelay
beforeEach(async () => {
  one = await startRelay()
  two = await startRelay({ limits: { negentropyRecords: 1_000 } })
})
afterEach(async () => {
  await one[Symbol.asyncDispose]()
  await two[Symbol.asyncDispose]()
})

async function fill(url: string, events: readonly NostrEvent[]): Promise<void> {
  const client = await connect(url)
  const answers = await Promise.all(events.map(event => client.publish(event)))
  expect(answers.every(({ accepted }) => accepted)).toBe(true)
  await client.close()
}
async function held(url: string, filter = {}): Promise<string[]> {
  const client = await connect(url)
  const ids: string[] = []
  await new Promise<void>(done => {
    client.request([filter], { onEvent: event => ids.push(event.id), onEose: () => done(), onClosed: () => done() })
  })
  await client.close()
  return ids.sort()
}
const idsOf = (events: readonly NostrEvent[]) => events.map(event => event.id).sort()

test('both get what the other has, both ways or one way', async () => {
  const all = notes(alice, 45)
  await fill(one.url, all.slice(0, 30))
  await fill(two.url, all.slice(15))
  const to = await inProcess(['sync', one.url, two.url, '--dir', 'to', '--json'])
  expect(to).toMatchObject({ code: 0 })
  expect(to.lines.map(line => JSON.parse(line))).toMatchObject([
    { had: 30, needed: 15, sent: 15, duplicates: 0, refused: 0 },
    { by: 'negentropy', bytes: expect.any(Number) },
  ])
  expect(await held(two.url)).toEqual(idsOf(all))
  expect(await held(one.url)).toEqual(idsOf(all.slice(0, 30)))
  expect(await inProcess(['sync', one.url, two.url, '-q'])).toMatchObject({ code: 0, stderr: '' })
  expect(await held(one.url)).toEqual(idsOf(all))
  const again = await inProcess(['sync', one.url, two.url, '--json'])
  expect(again.lines.map(line => JSON.parse(line))).toMatchObject([{ needed: 0 }, { needed: 0 }, { by: 'negentropy' }])
})

test('only what the filter finds', async () => {
  await fill(one.url, [...notes(alice, 5, { topic: 'a' }), ...notes(person('bob'), 5, { topic: 'b' })])
  expect(await inProcess(['sync', one.url, two.url, '{"#t":["b"]}'])).toMatchObject({ code: 0 })
  expect(await held(two.url)).toEqual(await held(one.url, { '#t': ['b'] }))
})

describe('reconcile', () => {
  test('random sets: the very difference, also where windows of time must be halved', async () => {
    const roll = dice(testSeed('sync'))
    const start = nowSeconds() - 10_000
    const all = Array.from({ length: 90 }, (_, n) =>
      alice.sign({ created_at: start + roll.below(60) * 100, content: `${n}` }),
    )
    const where = all.map(() => roll.below(8))
    await fill(
      one.url,
      all.filter((_, n) => where[n] !== 0),
    )
    await fill(
      two.url,
      all.filter((_, n) => where[n] !== 1),
    )
    const small = await startRelay({ limits: { negentropyRecords: 20 } })
    await fill(
      small.url,
      all.filter((_, n) => where[n] !== 1),
    )
    for (const other of [two, small]) {
      const [a, b] = [await connect(one.url), await connect(other.url)]
      const difference = await reconcile(a, b, {}, { now: nowSeconds(), timers: systemTimers, timeoutMs: 5_000 })
      expect(difference.by).toBe('negentropy')
      expect([...difference.first].sort()).toEqual(idsOf(all.filter((_, n) => where[n] === 1)))
      expect([...difference.second].sort()).toEqual(idsOf(all.filter((_, n) => where[n] === 0)))
      await a.close()
      await b.close()
    }
    await small[Symbol.asyncDispose]()
  })
})

describe('a relay that is not ours', () => {
  const genuine = notes(alice, 3)

  test('without NIP-77 it is paged through, and what is forged is not passed on', async () => {
    const [good, bad, other] = genuine
    if (!good || !bad || !other) throw new Error('unreachable')
    const forged = corrupt(bad, 'sig')
    const relay = await scriptedRelay((peer, frame) => {
      if (frame[0] === 'NEG-OPEN') peer.send('NEG-ERR', frame[1], 'unsupported: no')
      if (frame[0] === 'COUNT') peer.send('CLOSED', frame[1], 'unsupported: no')
      if (frame[0] !== 'REQ') return
      const { ids } = frame[2] as { ids?: string[] }
      for (const event of [good, forged])
        if (ids === undefined || ids.includes(event.id)) peer.send('EVENT', frame[1], event)
      peer.send('EOSE', frame[1], ['finish'])
    })
    const outcome = await inProcess(['sync', relay.url, one.url, '--dir', 'to', '--json'])
    expect(outcome.lines.map(line => JSON.parse(line))).toMatchObject([{ needed: 1, sent: 1 }, { by: 'paging' }])
    expect(outcome.code).toBe(6)
    expect(await held(one.url)).toEqual([good.id])
  })

  test('one that refuses strangers: exit 4; one that is not there: exit 5; wrong words: exit 2', async () => {
    const relay = await scriptedRelay((peer, frame) => {
      if (frame[0] === 'NEG-OPEN') peer.send('NEG-ERR', frame[1], 'auth-required: who are you')
      if (frame[0] === 'COUNT') peer.send('CLOSED', frame[1], 'auth-required: who are you')
    })
    expect(await inProcess(['sync', relay.url, one.url])).toMatchObject({ code: 4 })
    expect(await inProcess(['sync', one.url, 'ws://127.0.0.1:1'])).toMatchObject({ code: 5 })
    for (const words of [[one.url], [one.url, one.url], [one.url, two.url, '{'], [one.url, two.url, '--dir', 'up']])
      expect(await inProcess(['sync', ...words])).toMatchObject({ code: 2 })
  })

  test('one that lists ids for ever, or talks nonsense, ends the comparison', async () => {
    const answers = ['61', 'zz', '6100', `6100000281${'00'}`]
    for (const answer of answers) {
      const relay = await scriptedRelay((peer, frame) => {
        if (String(frame[0]).startsWith('NEG-') && frame[0] !== 'NEG-CLOSE') peer.send('NEG-MSG', frame[1], answer)
        if (frame[0] === 'REQ') peer.send('EOSE', frame[1], ['finish'])
        if (frame[0] === 'COUNT') peer.send('COUNT', frame[1], { count: 0 })
      })
      expect(await inProcess(['sync', relay.url, one.url])).toMatchObject({ code: 0 })
    }
  })
})
