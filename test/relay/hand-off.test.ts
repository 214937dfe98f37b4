import type { NostrEvent } from 'posthorn/protocol'
import { createMemoryStore } from 'posthorn/relay'
import { describe, expect, test } from 'vitest'
import { door, lateStore } from './late-store.ts'
import { startRelay } from './relay-on-test.ts'
import { credulous, unverified } from './unverified.ts'
import { endOf, hintsOf, idsOf, isFor, seqsOf, type Wire } from './wire.ts'

const events = (count: number) => Array.from({ length: count }, () => unverified())

async function start() {
  const reads = door()
  const late = lateStore(createMemoryStore(), reads.pass)
  const { connect } = await startRelay({ store: late, verifier: credulous, limits: { page: 1_000 } })
  const [reader, writer] = [await connect(), await connect()]
  const publish = async (some: NostrEvent[]) => {
    for (const one of some) writer.send('EVENT', one)
    await writer.find(isFor('OK', some.at(-1)?.id, true))
  }
  return { reads, reader, writer, publish }
}

async function expectAll(reader: Wire, sub: string, wanted: NostrEvent[]): Promise<void> {
  const of = () => reader.received.filter(isFor('EVENT', sub))
  await expect.poll(() => of().length).toBeGreaterThanOrEqual(wanted.length)
  await reader.quiet()
  expect(idsOf(of())).toEqual(wanted.map(({ id }) => id))
}

describe('what is committed while the log is being read for a subscription', () => {
  test.each([1, 5, 600])('log order: %i events follow the page without gap or repeat', async count => {
    const { reads, reader, publish } = await start()
    const [before, during, after] = [events(3), events(count), events(2)]
    await publish(before)
    reads.shut()
    reader.send('REQ', 's', { since_seq: 0, kinds: [1] })
    await expect.poll(() => reads.waiting).toBe(1)
    await publish(during)
    reads.open()
    await reader.find(endOf('s'))
    await publish(after)
    const all = [...before, ...during, ...after]
    await expectAll(reader, 's', all)
    expect(seqsOf(reader.received.filter(isFor('EVENT', 's')))).toEqual(all.map((_, n) => n + 1))
  })

  test('log order: a page that is full ends there and the next one goes on', async () => {
    const { reads, reader, publish } = await start()
    const [before, during] = [events(3), events(4)]
    await publish(before)
    reads.shut()
    reader.send('REQ', 's', { since_seq: 0, kinds: [1], limit: 2 })
    await expect.poll(() => reads.waiting).toBe(1)
    await publish(during)
    reads.open()
    const hints = hintsOf(await reader.find(endOf('s')))
    expect(hints).toMatchObject({ more: '', seq: '2' })
    await reader.request('t', { since_seq: 2, epoch: String(hints['epoch']), kinds: [1] })
    expect(seqsOf(reader.received.filter(isFor('EVENT', 's')))).toEqual([1, 2])
    await expectAll(reader, 't', [...before.slice(2), ...during])
  })

  test.each([1, 5, 600])('plain: %i events come once, after EOSE', async count => {
    const { reads, reader, publish } = await start()
    const [before, during, later] = [events(3), events(count), events(5)]
    await publish(before)
    reads.shut()
    reader.send('REQ', 's', { kinds: [1] })
    await expect.poll(() => reads.waiting).toBe(1)
    await publish(during)
    reads.open()
    reads.shut() // the stored part is out; now the rest is read from the log
    await reader.find(endOf('s'))
    await expect.poll(() => reads.waiting).toBe(1)
    await publish(later)
    reads.open()
    await expectAll(reader, 's', [...before.toReversed(), ...during, ...later])
  })

  test('ephemerals wait for EOSE, up to a bound', async () => {
    const { reads, reader, writer, publish } = await start()
    reads.shut()
    reader.send('REQ', 's', {})
    await expect.poll(() => reads.waiting).toBe(1)
    const passing = Array.from({ length: 300 }, () => unverified(24_700))
    await publish(passing.slice(0, 256))
    for (const one of passing.slice(256)) expect(String((await writer.publish(one))[3])).toMatch(/^mute: /)
    reads.open()
    await reader.find(endOf('s'))
    await expectAll(reader, 's', passing.slice(0, 256))
  })

  test('a subscription that is closed or replaced meanwhile says nothing any more', async () => {
    const { reads, reader, publish } = await start()
    await publish(events(3))
    reads.shut()
    reader.send('REQ', 'closed', { since_seq: 0 })
    reader.send('REQ', 'replaced', {})
    reader.send('CLOSE', 'closed')
    reader.send('REQ', 'replaced', { kinds: [2] })
    await expect.poll(() => reads.waiting).toBe(1)
    reads.open()
    await reader.find(endOf('replaced'))
    await reader.quiet()
    expect(reader.received.map(frame => frame[0])).toEqual(expect.not.arrayContaining(['EVENT']))
    expect(reader.received.filter(endOf('replaced'))).toHaveLength(1)
    expect(reader.received.filter(isFor('EOSE', 'closed'))).toEqual([])
  })
})
