import type { FilterJson } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { notes, nowSeconds, person } from '../helpers/events.ts'
import { manualTime, startRelay } from './relay-on-test.ts'
import { hintsOf, idsOf, isFor, READS_HINTS, seqOf, seqsOf } from './wire.ts'

const [alice, bob] = [person('alice'), person('bob')]
const at = nowSeconds() - 100
const version = (created_at: number, t: string, d = 'x') =>
  alice.sign({
    kind: 30_001,
    created_at: at + created_at,
    tags: [
      ['d', d],
      ['t', t],
    ],
  })

async function start(count = 0, options: Parameters<typeof startRelay>[0] = {}) {
  const server = await startRelay(options)
  const [wire, writer] = [await server.connect(), await server.connect()]
  const events = notes(alice, count)
  for (const event of events) await writer.publish(event)
  const ask = (sub: string, seq: number, more: FilterJson = {}) =>
    wire.request(sub, { ...more, since_seq: seq, ...(seq > 0 ? { epoch: server.relay.head.epoch } : {}) })
  return { ...server, wire, writer, events, ask }
}

describe('a page', () => {
  test('starts with SEQ, tells ascending seqs, ends with its hints', async () => {
    const { ask, events, relay } = await start(3)
    const frames = await ask('s', 0)
    expect(frames[0]).toEqual(['SEQ', 's', 0, relay.head.epoch])
    expect(idsOf(frames)).toEqual(events.map(({ id }) => id))
    expect(seqsOf(frames)).toEqual([1, 2, 3])
    expect(frames).toHaveLength(5)
    const hints = hintsOf(frames.at(-1))
    expect(hints).toMatchObject({ finish: '', seq: '3', epoch: relay.head.epoch, floor: '1', withheld: '' })
    expect(hints['scope']).toBe(hintsOf((await ask('t', 1, { kinds: [1] })).at(-1))['scope'])
    expect(hintsOf((await ask('u', 1, { kinds: [1] })).at(-1))).not.toHaveProperty('withheld')
  })

  test('COUNT behind a position, under the rules of one', async () => {
    const { wire, relay } = await start(3)
    const { epoch } = relay.head
    const count = async (filter: FilterJson) => {
      const [type, , answer] = await wire.count(filter)
      return [type, answer]
    }
    expect(await count({ kinds: [1], since_seq: 1, epoch })).toEqual(['COUNT', { count: 2 }])
    expect(await count({ kinds: [1], since_seq: 0 })).toEqual(['COUNT', { count: 3 }])
    expect(await count({ kinds: [1], since_seq: 1 })).toEqual(['CLOSED', expect.stringMatching(/^invalid: /)])
    expect(await count({ kinds: [1], since_seq: 1, epoch: 'f'.repeat(16) })).toEqual([
      'CLOSED',
      'invalid: cursor-unknown common:0',
    ])
  })

  test('since is exclusive, and the position asked from is told back', async () => {
    const { ask, relay } = await start(3)
    const frames = await ask('s', 2)
    expect(frames[0]).toEqual(['SEQ', 's', 2, relay.head.epoch])
    expect(seqsOf(frames)).toEqual([3])
    expect(seqsOf(await ask('t', 3))).toEqual([])
  })

  test('a limit is a page size over the union: `more`, then idle, then on from its seq', async () => {
    const { wire, writer, relay } = await start(5)
    const { epoch } = relay.head
    const filters = (since_seq: number): FilterJson[] => [
      { since_seq, ...(since_seq > 0 ? { epoch } : {}), limit: 2, kinds: [1] },
      { since_seq, ...(since_seq > 0 ? { epoch } : {}), limit: 2, authors: [alice.pubkey] },
    ]
    const seen: number[] = []
    let since = 0
    for (let page = 0; ; page += 1) {
      const frames = await wire.request(`page ${page}`, ...filters(since))
      seen.push(...seqsOf(frames))
      const hints = hintsOf(frames.at(-1))
      since = Number(hints['seq'])
      if ('finish' in hints) break
      expect(hints).toHaveProperty('more')
      expect(seqsOf(frames)).toHaveLength(2)
      expect(since).toBe(seqsOf(frames).at(-1))
      expect(relay.load.subscriptions).toBe(0)
    }
    expect(seen).toEqual([1, 2, 3, 4, 5])
    const live = alice.sign({ created_at: nowSeconds() })
    await writer.publish(live)
    await wire.quiet()
    expect(wire.rest()).toEqual([['EVENT', 'page 2', live, 6]]) // only the finished page is live
  })

  test('the relay’s own cap is the page size where none or a larger one was asked for', async () => {
    const { ask } = await start(3, { limits: { page: 2 } })
    for (const more of [{}, { limit: 2 }, { limit: 500 }]) {
      const frames = await ask(`s ${JSON.stringify(more)}`, 0, more)
      expect(seqsOf(frames)).toEqual([1, 2])
      expect(hintsOf(frames.at(-1))).toMatchObject({ more: '', seq: '2' })
    }
  })

  test('gaps are normal and the position passes over what does not match', async () => {
    const { ask, writer } = await start(2)
    await writer.publish(bob.sign({ created_at: nowSeconds(), kind: 7 }))
    const frames = await ask('s', 0, { kinds: [2] })
    expect(frames.map(frame => frame[0])).toEqual(['SEQ', 'EOSE'])
    expect(hintsOf(frames.at(-1))).toMatchObject({ finish: '', seq: '3' })
  })
})

describe('live after `finish`', () => {
  test('events with their seqs, as OK told them', async () => {
    const { ask, wire, writer } = await start(1)
    await ask('s', 0, { kinds: [1] })
    const told: number[] = []
    const events = notes(bob, 5)
    for (const event of events) told.push(seqOf(await writer.publish(event)))
    await wire.quiet()
    const frames = wire.rest()
    expect(idsOf(frames)).toEqual(events.map(({ id }) => id))
    expect(seqsOf(frames)).toEqual(told)
  })

  test('no gap and no repeat at the hand-off while others write', async () => {
    const { wire, writer, relay } = await start()
    const events = notes(bob, 100)
    const done = (async () => {
      for (const event of events) writer.send('EVENT', event)
      await writer.find(isFor('OK', events.at(-1)?.id))
    })()
    // Subscriptions opened all the while, each from the start.
    for (let turn = 0; turn < 14; turn += 1) {
      await wire.request(`log ${turn}`, { since_seq: 0 })
      wire.send('REQ', `plain ${turn}`, { kinds: [1], limit: 500 })
      if (turn > 6) wire.send('CLOSE', `log ${turn - 6}`)
      if (turn > 6) wire.send('CLOSE', `plain ${turn - 6}`)
    }
    await done
    await expect.poll(() => wire.received.filter(isFor('EVENT', 'plain 13')).length).toBe(events.length)
    await wire.quiet()
    for (let turn = 8; turn < 14; turn += 1) {
      const log = wire.received.filter(isFor('EVENT', `log ${turn}`))
      expect(idsOf(log), `log ${turn}`).toEqual(events.map(({ id }) => id))
      expect(seqsOf(log)).toEqual(events.map((_, n) => n + 1))
      const plain = idsOf(wire.received.filter(isFor('EVENT', `plain ${turn}`)))
      expect(plain.length).toBe(events.length)
      expect(new Set(plain).size).toBe(events.length)
    }
    expect(relay.head.last).toBe(events.length)
  })

  test('checkpoints: every 15 s when the log moved, never when it did not, never to plain subscriptions', async () => {
    const time = manualTime()
    const { ask, wire, writer, relay } = await start(2, { clock: time.clock, timers: time.timers })
    await ask('s', 0, { kinds: [7] })
    await wire.request('plain', { kinds: [7] })
    await time.advance(15_000)
    await wire.quiet()
    expect(wire.rest()).toEqual([])
    await writer.publish(bob.sign({ created_at: nowSeconds() }))
    await time.advance(14_000)
    await wire.quiet()
    expect(wire.rest()).toEqual([])
    await time.advance(1_000)
    expect(await wire.next()).toEqual(['SEQ', 's', 3, relay.head.epoch])
    await time.advance(60_000)
    expect(wire.rest()).toEqual([])
    // What an event told needs no checkpoint.
    await writer.publish(bob.sign({ created_at: nowSeconds(), kind: 7 }))
    expect((await wire.next())[3]).toBe(4)
    await time.advance(30_000)
    expect(wire.rest().filter(isFor('SEQ'))).toEqual([])
  })
})

describe('GONE', () => {
  test('at the removal’s own seq, stored and live alike, only if asked for', async () => {
    const { ask, wire, writer, events } = await start(2)
    const id = events[0]?.id ?? ''
    await ask('gone', 0, { kinds: [1], gone: true })
    await ask('silent', 0, { kinds: [1] })
    await writer.publish(alice.sign({ kind: 5, created_at: nowSeconds(), tags: [['e', id]] }))
    expect(await wire.next()).toEqual(['GONE', 'gone', 4, id, 'deleted'])
    const frames = await ask('later', 1, { kinds: [1], gone: true })
    expect(frames.slice(1, -1)).toEqual([
      ['EVENT', 'later', events[1], 2],
      ['GONE', 'later', 4, id, 'deleted'],
    ])
    expect(wire.received.filter(isFor('GONE', 'silent'))).toEqual([])
  })

  test('replaced only if the successor does not match', async () => {
    const { ask, wire, writer } = await start()
    const [one, two, three] = [version(1, 'a'), version(2, 'a'), version(3, 'b')]
    await writer.publish(one) // 1
    await ask('a', 0, { '#t': ['a'], gone: true })
    await ask('b', 0, { '#t': ['b'], gone: true })
    await ask('all', 0, { gone: true })
    await writer.publish(two) // 2, 3
    await writer.publish(three) // 4, 5
    await wire.quiet()
    const frames = wire.rest()
    expect(frames.filter(frame => frame[1] === 'a')).toEqual([
      ['EVENT', 'a', two, 2],
      ['GONE', 'a', 5, two.id, 'replaced'],
    ])
    expect(frames.filter(frame => frame[1] === 'b')).toEqual([['EVENT', 'b', three, 4]])
    expect(frames.filter(frame => frame[1] === 'all')).toEqual([
      ['EVENT', 'all', two, 2],
      ['EVENT', 'all', three, 4],
    ])
    const late = await ask('late', 1, { '#t': ['a'], gone: true })
    expect(late.filter(isFor('GONE'))).toEqual([
      ['GONE', 'late', 3, one.id, 'replaced'],
      ['GONE', 'late', 5, two.id, 'replaced'],
    ])
  })

  test('counts in the page size', async () => {
    const { ask, writer, events } = await start(3)
    await writer.publish(alice.sign({ kind: 5, created_at: nowSeconds(), tags: events.map(({ id }) => ['e', id]) })) // 4; 5, 6, 7
    const frames = await ask('s', 0, { kinds: [1], gone: true, limit: 2 })
    expect(frames.map(frame => frame[0])).toEqual(['SEQ', 'GONE', 'GONE', 'EOSE'])
    expect(hintsOf(frames.at(-1))).toMatchObject({ more: '', seq: '6' })
  })
})

describe('cursors', () => {
  test('of an unknown epoch: cursor-unknown common:0', async () => {
    const { wire } = await start(2)
    const frames = await wire.request('s', { since_seq: 1, epoch: 'ab'.repeat(8) })
    expect(frames).toEqual([['CLOSED', 's', 'invalid: cursor-unknown common:0']])
    // From 0 no epoch is needed, and a wrong one does not matter.
    expect(seqsOf(await wire.request('t', { since_seq: 0, epoch: 'ab'.repeat(8) }))).toEqual([1, 2])
  })

  test('ahead within the current epoch: wait briefly, then `error: behind`', async () => {
    const time = manualTime()
    const { wire, writer, relay } = await start(1, { clock: time.clock, timers: time.timers })
    wire.send('REQ', 's', { since_seq: 2, epoch: relay.head.epoch })
    await wire.quiet()
    expect(wire.rest()).toEqual([])
    await time.advance(500)
    expect(await wire.next()).toEqual(['CLOSED', 's', expect.stringMatching(/^error: behind/)])
    wire.send('REQ', 't', { since_seq: 2, epoch: relay.head.epoch })
    await wire.quiet()
    await writer.publish(bob.sign({ created_at: nowSeconds() }))
    await time.advance(500)
    expect((await wire.next()).slice(0, 3)).toEqual(['SEQ', 't', 2])
    expect((await wire.next())[0]).toBe('EOSE')
  })

  test('a client that reads hints may start from the EOSE of a plain REQ', async () => {
    const { ask, wire, writer, connect } = await start(3)
    const hints = hintsOf((await (await connect(READS_HINTS)).request('plain', {})).at(-1))
    expect((await wire.request('plain', {})).at(-1)).toEqual(['EOSE', 'plain'])
    const event = bob.sign({ created_at: nowSeconds() })
    await writer.publish(event)
    const frames = await ask('log', Number(hints['seq']))
    expect(idsOf(frames.filter(isFor('EVENT', 'log')))).toEqual([event.id])
  })

  test('a clock that jumps begins a new epoch: log-order subscriptions are told to come again, plain ones notice nothing', async () => {
    const time = manualTime()
    const { ask, wire, writer, relay } = await start(2, { clock: time.clock, timers: time.timers })
    const before = relay.head.epoch
    await ask('log', 0, { kinds: [1] })
    await wire.request('plain', { kinds: [1] })
    time.jump(3_000)
    await writer.publish(bob.sign({ created_at: nowSeconds(), kind: 7 })) // 3; within what clocks do
    expect(relay.head.epoch).toBe(before)
    time.jump(-60_000)
    const event = bob.sign({ created_at: nowSeconds() })
    await writer.publish(event) // 4
    expect(relay.head.epoch > before).toBe(true)
    expect(await wire.next()).toEqual(['CLOSED', 'log', expect.stringMatching(/^error: new-epoch/)])
    expect(await wire.next()).toEqual(['EVENT', 'plain', event])
    // Positions told by the old epoch hold up to where the new one began.
    const old = (since_seq: number) => wire.request(`old ${since_seq}`, { since_seq, epoch: before })
    expect(seqsOf(await old(3))).toEqual([4])
    expect(await old(4)).toEqual([['CLOSED', 'old 4', 'invalid: cursor-unknown common:3']])
    expect((await ask('new', 4))[0]).toEqual(['SEQ', 'new', 4, relay.head.epoch])
  })

  test('a jump is noticed without any write, too', async () => {
    const time = manualTime()
    const { ask, wire, relay } = await start(1, { clock: time.clock, timers: time.timers })
    const before = relay.head.epoch
    await ask('log', 0)
    time.jump(60_000)
    await time.advance(15_000)
    expect(await wire.next()).toEqual(['CLOSED', 'log', expect.stringMatching(/^error: new-epoch/)])
    expect(relay.head.epoch > before).toBe(true)
  })
})

test('duplicate: the OK tells the seq that the log tells', async () => {
  const { ask, writer, events } = await start(3)
  const frames = await ask('s', 0)
  for (const [n, event] of events.entries()) expect(seqOf(await writer.publish(event))).toBe(seqsOf(frames)[n])
})
