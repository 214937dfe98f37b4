import { describe, expect, test } from 'vitest'
import { notes, nowSeconds, person } from '../helpers/events.ts'
import { manualTime, startRelay } from './relay-on-test.ts'
import { endOf, hintsOf, idsOf, isFor, READS_HINTS } from './wire.ts'

const [alice, bob] = [person('alice'), person('bob')]

describe('a plain client', () => {
  test('gets stored events newest first without seqs, then an EOSE of two elements, then live ones', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    const events = notes(alice, 3)
    for (const event of events) await wire.publish(event)
    const frames = await wire.request('s', { kinds: [1] })
    expect(idsOf(frames)).toEqual(events.map(({ id }) => id).reverse())
    expect(frames.slice(0, -1).every(frame => frame.length === 3)).toBe(true)
    expect(frames.at(-1)).toEqual(['EOSE', 's'])
    const live = bob.sign({ created_at: nowSeconds(), content: 'live' })
    await (await connect()).publish(live)
    expect(await wire.next()).toEqual(['EVENT', 's', live])
  })

  test('that chose the subprotocol gets hints in its EOSE, and nothing else differs', async () => {
    const { connect, relay } = await startRelay()
    const wire = await connect(READS_HINTS)
    const events = notes(alice, 3)
    for (const event of events) await wire.publish(event)
    const frames = await wire.request('s', { kinds: [1] })
    expect(idsOf(frames)).toEqual(events.map(({ id }) => id).reverse())
    expect(frames.slice(0, -1).every(frame => frame.length === 3)).toBe(true)
    const hints = hintsOf(frames.at(-1))
    expect(hints).toMatchObject({ finish: '', seq: '3', epoch: relay.head.epoch })
    expect(hints['scope']).toMatch(/^[0-9a-f]{16}$/)
    expect(hints).not.toHaveProperty('withheld')
    expect(hints).not.toHaveProperty('floor')
    const live = bob.sign({ created_at: nowSeconds(), content: 'live' })
    await (await connect()).publish(live)
    expect(await wire.next()).toEqual(['EVENT', 's', live])
  })

  test('hints: `more` where a limit cut, none of both for limit 0, withheld by the filter alone, one scope for one reader', async () => {
    const { connect } = await startRelay({ limits: { page: 2 } })
    const wire = await connect(READS_HINTS)
    const hints = async (...filters: Parameters<typeof wire.request>[1][]) =>
      hintsOf((await wire.request('s', ...filters)).at(-1))
    const empty = await hints({})
    expect(empty).toMatchObject({ finish: '', seq: '0', withheld: '' })
    for (const event of notes(alice, 3)) await wire.publish(event)
    expect(await hints({ kinds: [1] })).toHaveProperty('more')
    expect(await hints({ kinds: [1], limit: 1 })).toHaveProperty('more')
    expect(await hints({ kinds: [7] })).toHaveProperty('finish')
    const head = await hints({ kinds: [1], limit: 0 })
    expect(head).toMatchObject({ seq: '3', scope: empty['scope'] })
    expect(head).not.toHaveProperty('more')
    expect(head).not.toHaveProperty('finish')
    expect(await hints({ authors: [alice.pubkey] })).toHaveProperty('withheld')
    expect(await hints({ kinds: [1, 4] })).toHaveProperty('withheld')
    expect(await hints({ kinds: [1] }, { kinds: [4] })).toHaveProperty('withheld')
    expect(await hints({ kinds: [1, 4700] })).not.toHaveProperty('withheld')
  })

  test('OK comes before the author’s own echo', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    await wire.request('s', {})
    const events = notes(alice, 10)
    for (const event of events) wire.send('EVENT', event)
    await expect.poll(() => idsOf(wire.received)).toHaveLength(events.length)
    const frames = wire.rest()
    for (const { id } of events) {
      const ok = frames.findIndex(isFor('OK', id))
      const echo = frames.findIndex(frame => frame[0] === 'EVENT' && (frame[2] as { id: string }).id === id)
      expect(ok).toBeGreaterThanOrEqual(0)
      expect(echo).toBeGreaterThan(ok)
    }
  })

  test('a REQ with a known id takes its place', async () => {
    const { connect, relay } = await startRelay()
    const wire = await connect()
    await wire.request('s', { kinds: [1] })
    await wire.request('s', { kinds: [2] })
    expect(relay.load.subscriptions).toBe(1)
    const [one, two] = [
      alice.sign({ kind: 1, created_at: nowSeconds() }),
      alice.sign({ kind: 2, created_at: nowSeconds() }),
    ]
    await wire.publish(one)
    await wire.publish(two)
    expect((await wire.next())[2]).toEqual(two)
    await wire.quiet()
    expect(idsOf(wire.received)).toEqual([two.id])
  })

  test('after CLOSE nothing comes any more', async () => {
    const { connect, relay } = await startRelay()
    const wire = await connect()
    await wire.request('s', {})
    wire.send('CLOSE', 's')
    await wire.publish(alice.sign({ created_at: nowSeconds() }))
    await wire.quiet()
    expect(idsOf(wire.received)).toEqual([])
    expect(relay.load.subscriptions).toBe(0)
  })

  test('an event that fits two filters comes once, and one that fits two subscriptions once for each', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    await wire.request('a', { kinds: [1] }, { authors: [alice.pubkey] })
    await wire.request('b', {})
    await wire.publish(alice.sign({ created_at: nowSeconds() }))
    await wire.quiet()
    expect(wire.received.filter(isFor('EVENT')).map(frame => frame[1])).toHaveLength(2)
    expect(new Set(wire.received.filter(isFor('EVENT')).map(frame => frame[1]))).toEqual(new Set(['a', 'b']))
  })

  test.each([
    ['ids', (id: string) => ({ ids: [id] })],
    ['authors', () => ({ authors: [alice.pubkey] })],
    ['a tag', () => ({ '#t': ['x'] })],
    ['a tag letter in upper case', () => ({ '#T': ['X'] })],
    ['kinds', () => ({ kinds: [1] })],
    ['since and until', () => ({ since: nowSeconds() - 10, until: nowSeconds() + 10 })],
  ])('live matching by %s', async (_, filterFor) => {
    const { connect } = await startRelay()
    const wire = await connect()
    const event = alice.sign({
      created_at: nowSeconds(),
      tags: [
        ['t', 'x'],
        ['T', 'X'],
        ['q', 'x'],
        ['p', bob.pubkey],
      ],
    })
    const other = bob.sign({
      created_at: nowSeconds() - 1000,
      kind: 2,
      tags: [['t', 'X'], ['T', 'x'], ['tt', 'x'], ['t']],
    })
    await wire.request('s', filterFor(event.id))
    await wire.publish(other)
    await wire.publish(event)
    await wire.quiet()
    expect(idsOf(wire.received)).toEqual([event.id])
  })

  test('COUNT counts what a stranger may see', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    for (const event of [...notes(alice, 2), bob.sign({ created_at: nowSeconds() })]) await wire.publish(event)
    await wire.publish(alice.sign({ kind: 4, created_at: nowSeconds(), tags: [['p', bob.pubkey]] }))
    expect((await wire.count({}))[2]).toEqual({ count: 3 })
    expect((await wire.count({ authors: [alice.pubkey] }, { kinds: [1] }))[2]).toEqual({ count: 3 })
    expect((await wire.count({ authors: [bob.pubkey], limit: 0 }))[2]).toEqual({ count: 1 })
  })
})

describe('ephemeral events', () => {
  test('go to plain live subscriptions only, are stored nowhere, move no seq', async () => {
    const { connect, relay } = await startRelay()
    const [wire, log] = [await connect(), await connect()]
    await wire.request('s', { kinds: [24_700] })
    await log.request('l', { since_seq: 0, kinds: [24_700] })
    const event = alice.sign({ kind: 24_700, created_at: nowSeconds() })
    wire.send('EVENT', event)
    const frames = [await wire.next(), await wire.next()]
    expect(frames).toContainEqual(['OK', event.id, true, ''])
    expect(frames).toContainEqual(['EVENT', 's', event])
    await log.quiet()
    expect(log.received.filter(isFor('EVENT'))).toEqual([])
    expect(relay.head.last).toBe(0)
    expect(idsOf(await wire.request('again', { kinds: [24_700] }))).toEqual([])
    expect((await wire.count({ kinds: [24_700] }))[2]).toEqual({ count: 0 })
  })

  test('one that nobody listens to is answered with mute:, and OK comes before the author’s own echo', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    const unheard = alice.sign({ kind: 24_700, created_at: nowSeconds() })
    wire.send('EVENT', unheard)
    expect(await wire.next()).toEqual(['OK', unheard.id, false, 'mute: nobody was listening'])
    await wire.request('s', { kinds: [24_700] })
    wire.send('EVENT', unheard)
    expect(await wire.next()).toEqual(['OK', unheard.id, true, ''])
    expect(await wire.next()).toEqual(['EVENT', 's', unheard])
  })

  test('one that arrives while the stored part is being read comes after EOSE', async () => {
    const { connect } = await startRelay()
    const [reader, writer] = [await connect(), await connect()]
    for (const event of notes(bob, 30)) await writer.publish(event)
    const event = alice.sign({ kind: 24_700, created_at: nowSeconds() })
    for (let turn = 0; turn < 5; turn += 1) {
      const sub = `s${turn}`
      reader.send('REQ', sub, {})
      writer.send('EVENT', event)
      const stored = await reader.until(endOf(sub))
      expect(idsOf(stored.filter(isFor('EVENT', sub)))).not.toContain(event.id)
      reader.send('CLOSE', sub)
    }
  })
})

test('restricted kinds reach no stranger live, in log order, or as GONE', async () => {
  const { connect } = await startRelay()
  const wire = await connect()
  await wire.request('plain', {})
  await wire.request('log', { since_seq: 0, gone: true })
  const secrets = [4, 1059, 21_059, 34_707].map(kind =>
    alice.sign({ kind, created_at: nowSeconds(), tags: [['p', bob.pubkey]] }),
  )
  for (const event of secrets) expect((await wire.publish(event))[2]).toBe(true)
  const deletion = alice.sign({ kind: 5, created_at: nowSeconds(), tags: secrets.map(({ id }) => ['e', id]) })
  await wire.publish(deletion)
  await wire.quiet()
  const after = await wire.request('log2', { since_seq: 0, gone: true })
  expect(new Set(idsOf(wire.received))).toEqual(new Set([deletion.id]))
  expect([...wire.received, ...after].filter(isFor('GONE'))).toEqual([])
})

test('an expired event is never served: stored, live, counted, or to a subscription that waited', async () => {
  const time = manualTime()
  const { connect } = await startRelay({ clock: time.clock, timers: time.timers })
  const wire = await connect()
  const at = nowSeconds()
  const event = alice.sign({ created_at: at, tags: [['expiration', String(at + 100)]] })
  await wire.publish(event)
  expect(idsOf(await wire.request('a', {}))).toEqual([event.id])
  await time.advance(101_000) // also sweeps
  expect(idsOf(await wire.request('b', {}))).toEqual([])
  expect(idsOf(await wire.request('c', { since_seq: 0 }))).toEqual([])
  expect((await wire.count({}))[2]).toEqual({ count: 0 })
  expect((await wire.publish(event)).slice(2)).toEqual([false, 'invalid: expired'])
})
