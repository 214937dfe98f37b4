import { type NostrEvent, verifyEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { corrupt, nowSeconds, person } from '../helpers/events.ts'
import { startRelay } from './relay-on-test.ts'
import { isFor } from './wire.ts'

const author = person('ingest')
const fresh = (n: number): NostrEvent => author.sign({ created_at: nowSeconds(), content: `n ${n}` })

/** True verdicts, each batch at a time that the test decides. */
function heldVerifier(threads: number) {
  const batches: (() => void)[] = []
  const asked: NostrEvent[] = []
  const verifier = {
    tier: 'held back',
    threads,
    async verify(events: readonly NostrEvent[]) {
      asked.push(...events)
      await new Promise<void>(resolve => batches.push(resolve))
      return events.map(verifyEvent)
    },
    close: async () => {},
  }
  return { verifier, batches, asked }
}

test('events of one connection get ascending seqs, although later ones were verified first', async () => {
  const { verifier, batches } = heldVerifier(3)
  const { connect } = await startRelay({ verifier })
  const wire = await connect()
  const events = [0, 1, 2, 3].map(fresh)
  for (const [index, event] of events.entries()) {
    wire.send('EVENT', event)
    await expect.poll(() => batches.length, { interval: 2 }).toBe(index + 1)
  }
  for (const release of batches.reverse()) {
    expect(wire.received.filter(isFor('OK'))).toEqual([])
    release()
    await wire.quiet()
  }
  await expect.poll(() => wire.received.filter(isFor('OK')).length, { interval: 2 }).toBe(4)
  expect(wire.received.filter(isFor('OK'))).toEqual(events.map(({ id }, n) => ['OK', id, true, `seq: ${n + 1}`]))
})

test('what is stored is answered without its signature, if the copy hashes to the id', async () => {
  const { verifier, batches, asked } = heldVerifier(1)
  const { connect } = await startRelay({ verifier })
  const wire = await connect()
  const event = fresh(0)
  wire.send('EVENT', event)
  await expect.poll(() => batches.length, { interval: 2 }).toBe(1)
  batches[0]?.()
  await expect.poll(() => wire.received.filter(isFor('OK')).length, { interval: 2 }).toBe(1)
  wire.send('EVENT', corrupt(event, 'sig'))
  wire.send('EVENT', { ...event, content: 'another text under the stored id' })
  await expect.poll(() => wire.received.filter(isFor('OK')).length, { interval: 2 }).toBe(3)
  expect(wire.received.filter(isFor('OK')).map(frame => frame.slice(2))).toEqual([
    [true, 'seq: 1'],
    [true, 'duplicate: seq 1'],
    [false, 'invalid: the id is not the hash of the event'],
  ])
  expect(asked).toHaveLength(1)
})

test('a wrong id and a wrong signature have reasons of their own', async () => {
  const { connect } = await startRelay()
  const wire = await connect()
  for (const event of [{ ...fresh(1), content: 'changed' }, corrupt(fresh(2), 'sig'), fresh(3)])
    wire.send('EVENT', event)
  await expect.poll(() => wire.received.filter(isFor('OK')).length, { interval: 2 }).toBe(3)
  expect(wire.received.filter(isFor('OK')).map(frame => frame[3])).toEqual([
    'invalid: the id is not the hash of the event',
    'invalid: the signature does not fit the event',
    'seq: 1',
  ])
})
