import { expect, test } from 'vitest'
import { notes, nowSeconds, person } from '../helpers/events.ts'
import { manualTime, startRelay } from './relay-on-test.ts'
import { type Frame, isFor, READS_HINTS, type Wire } from './wire.ts'

const [alice, bob, carol] = [person('alice'), person('bob'), person('carol')]

/** Frames of NIP-01, 42, 45 and 77, and how many elements each has there. */
const LENGTHS: Readonly<Record<string, readonly number[]>> = {
  EVENT: [3],
  OK: [4],
  EOSE: [2],
  CLOSED: [3],
  NOTICE: [2],
  AUTH: [2],
  COUNT: [3],
  'NEG-MSG': [3],
  'NEG-ERR': [3],
}
const isKnown = (frame: Frame): boolean => LENGTHS[String(frame[0])]?.includes(frame.length) === true
const version = (at: number, content: string) =>
  alice.sign({ kind: 30_001, created_at: at, tags: [['d', 'x']], content })

/** Has the relay say everything it can say to this client and to those beside it. */
async function goThroughEverything(wire: Wire, writer: Wire, now: number): Promise<void> {
  const stored = notes(alice, 3)
  for (const event of stored) await wire.publish(event)
  await wire.publish({ ...notes(bob, 1)[0], content: 'forged' } as never)
  for (const filters of [
    [{}],
    [{ limit: 0 }],
    [{ limit: 1 }],
    [{ kinds: [4] }],
    [{ nonsense: [1] }],
    [{}, { kinds: [1] }],
  ])
    await wire.request('s', ...(filters as never[]))
  wire.send('CLOSE', 's')
  await wire.request('search', { search: 'note' } as never)
  await wire.find(isFor('CLOSED', 'search'))
  await wire.count({ kinds: [1] })
  await wire.count({ kinds: [3], '#p': [alice.pubkey] } as never)
  await wire.count({ nonsense: 1 } as never)
  wire.send('NEG-OPEN', 'n', {}, '6100000200')
  await wire.find(frame => String(frame[0]).startsWith('NEG'))
  wire.sendText('{"no": "frame"}')
  wire.send('WILL', bob.sign({}))
  await wire.find(isFor('OK'))
  await wire.request('live', {})
  // Replaced, deleted, vanished and expired: removals in the log.
  for (const event of [version(now, 'one'), version(now + 1, 'two')]) await writer.publish(event)
  await writer.publish(alice.sign({ kind: 5, created_at: now, tags: [['e', String(stored[0]?.id)]] }))
  await writer.publish(carol.sign({ created_at: now }))
  await writer.publish(carol.sign({ kind: 62, created_at: now, tags: [['relay', 'ALL_RELAYS']] }))
  await writer.publish(bob.sign({ kind: 20_000, created_at: now, content: 'ephemeral' }))
}

test('a plain client is sent nothing that NIP-01, 42, 45 and 77 do not have', async () => {
  const time = manualTime()
  const { connect } = await startRelay({ clock: time.clock, timers: time.timers })
  const [plain, writer, inLogOrder] = [await connect(), await connect(), await connect(READS_HINTS)]
  await inLogOrder.request('log', { since_seq: 0, gone: true } as never)
  await goThroughEverything(plain, writer, nowSeconds())
  // What quiet subscriptions in log order are told from time to time, and when a new epoch begins.
  await time.advance(20_000)
  time.jump(-60_000)
  await writer.publish(bob.sign({ created_at: nowSeconds() - 60, content: 'in a new epoch' }))
  await plain.find(frame => frame[0] === 'EVENT' && JSON.stringify(frame).includes('in a new epoch'))
  await plain.request('end', { limit: 1 })
  expect(plain.received.filter(frame => !isKnown(frame))).toEqual([])
  expect(new Set(plain.received.map(([type]) => type))).toEqual(
    new Set(['EVENT', 'OK', 'EOSE', 'CLOSED', 'NOTICE', 'COUNT', 'NEG-MSG']),
  )
  expect(inLogOrder.received.some(([type]) => type === 'GONE')).toBe(true)
})

test.each([
  ['a REQ with since_seq', (wire: Wire) => wire.request('r', { since_seq: 0, limit: 1 })],
  ['a COUNT with since_seq', (wire: Wire) => wire.count({ since_seq: 0 })],
])('%s shows that hints are read: every EOSE from there on has them', async (_, show) => {
  const { connect } = await startRelay()
  const wire = await connect()
  expect((await wire.request('before', {})).at(-1)).toEqual(['EOSE', 'before'])
  await show(wire)
  expect((await wire.request('after', {})).at(-1)).toEqual(['EOSE', 'after', expect.arrayContaining(['finish'])])
  // One connection is no other.
  expect((await (await connect()).request('other', {})).at(-1)).toEqual(['EOSE', 'other'])
})

test('`eoseHints: always` gives them to all, and only then NIP-67 is named', async () => {
  const { connect, url } = await startRelay({ eoseHints: 'always' })
  expect((await (await connect()).request('s', {})).at(-1)).toEqual(['EOSE', 's', expect.arrayContaining(['finish'])])
  const nipsAt = async (at: string) => {
    const response = await fetch(at.replace(/^ws/, 'http'), { headers: { accept: 'application/nostr+json' } })
    return ((await response.json()) as { supported_nips: number[] }).supported_nips
  }
  expect(await nipsAt(url)).toContain(67)
  expect(await nipsAt((await startRelay()).url)).not.toContain(67)
})

test('of the subprotocols that a client offers the relay selects its own, and no other', async () => {
  const { connect } = await startRelay()
  expect((await connect(READS_HINTS)).socket.protocol).toBe('nostr-seq')
  const both = await connect({ protocols: ['nostr', 'nostr-seq'] })
  expect(both.socket.protocol).toBe('nostr-seq')
  // `ws` gives a connection up whose server selects none, as browsers do.
  await expect(connect({ protocols: ['nostr'] })).rejects.toThrow('Server sent no subprotocol')
})
