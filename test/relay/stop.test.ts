import { createRelay } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { notes, nowSeconds, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startRelay } from './relay-on-test.ts'
import { connect, isFor, seqOf, type Wire } from './wire.ts'

const alice = person('alice')

test('what came in is answered, then every connection is closed with 1001', async () => {
  const data = tempDir()
  const { relay, connect } = await startRelay({ data })
  const [writer, reader] = [await connect(), await connect()]
  await reader.request('s', {})
  const events = notes(alice, 50)
  for (const event of events) writer.send('EVENT', event)
  await writer.find(isFor('OK', events[0]?.id))
  await relay.close()
  expect(await writer.closed).toMatchObject({ code: 1001 })
  expect(await reader.closed).toMatchObject({ code: 1001 })
  const acknowledged = events.filter(({ id }) => writer.received.some(isFor('OK', id, true)))
  expect(acknowledged.length).toBeGreaterThan(0)
  const again = await startRelay({ data })
  const wire = await again.connect()
  const frames = await wire.request('all', { since_seq: 0 })
  const stored = new Map(frames.filter(isFor('EVENT')).map(frame => [(frame[2] as { id: string }).id, frame[3]]))
  for (const { id } of acknowledged) {
    const ok = writer.received.find(isFor('OK', id))
    expect(stored.get(id)).toBe(seqOf(ok ?? []))
  }
  // Nothing was stored without being answered.
  expect(stored.size).toBe(acknowledged.length)
})

test('stops while clients write without pause', async () => {
  const relay = await createRelay({ data: tempDir(), limits: { invalidSignatures: 1_000_000 } })
  const url = await relay.listen({ port: 0 })
  const writers: Wire[] = []
  for (let n = 0; n < 3; n += 1) writers.push(await connect(url))
  const event = alice.sign({ created_at: nowSeconds() })
  const timers = writers.map(wire =>
    setInterval(() => {
      for (let n = 0; n < 20; n += 1) wire.send('EVENT', { ...event, sig: event.sig.replace(/^.{8}/, hex8()) })
    }, 20),
  )
  await new Promise(resolve => setTimeout(resolve, 300))
  try {
    // Resolves at all: the writers never pause, so a close that waits for quiet would never end (the test's own limit).
    await relay.close()
  } finally {
    for (const timer of timers) clearInterval(timer)
  }
  for (const wire of writers) expect((await wire.closed).code).toBe(1001)
})

/** Wrong signatures cost the verifier as much as good ones, and make each copy one that must be looked at. */
const hex8 = () =>
  Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0')

test('close can be called twice, and beside open requests', async () => {
  const { relay, connect } = await startRelay({ data: tempDir() })
  const wire = await connect()
  for (const event of notes(alice, 20)) wire.send('EVENT', event)
  for (let n = 0; n < 30; n += 1) {
    wire.send('REQ', `s${n}`, { since_seq: 0 })
    wire.send('COUNT', `c${n}`, {})
  }
  await wire.next()
  await Promise.all([relay.close(), relay.close()])
  expect((await wire.closed).code).toBe(1001)
  await expect(connect()).rejects.toThrow()
})
