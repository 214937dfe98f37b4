import { createMemoryMailStore, openAgent } from 'posthorn'
import { createVirtualTime, seededRandom } from 'posthorn/testing'
import { expect, test } from 'vitest'
import { createAcknowledged } from '#dist/sdk/link/acknowledged.js'
import type { SubscriptionFrame } from '#dist/sdk/link/questions.js'
import { standInSigner, standInVerifier } from '#dist/testing/stand-in-keys.js'

const [A, B] = ['0000000000010000', '0000000000020000'] as const
const url = 'ws://r'

/** An outbox that the relay has acknowledged in one run and another, and a line whose questions the test answers. */
function make(said: readonly { readonly seq: number; readonly epoch?: string }[]) {
  const store = createMemoryMailStore()
  const time = createVirtualTime(0)
  const acknowledge = (seq: number, epoch?: string) => {
    const id = `${seq}`
    store.enqueue({ id, to: 'bob', event: '{}' })
    store.settle([{ id, state: 'stored', relay: url, seq, ...(epoch === undefined ? {} : { epoch }) }], 1)
  }
  for (const { seq, epoch } of said) acknowledge(seq, epoch)
  const asked: { since: unknown; epoch: unknown; answer(frame: SubscriptionFrame): void }[] = []
  let lost = 0
  const acknowledged = createAcknowledged({
    store,
    timers: time.timers,
    filter: {},
    link: {
      url,
      subscribe(_verb, [filter], onFrame) {
        asked.push({ since: filter?.since_seq, epoch: filter?.['epoch'], answer: onFrame })
        return () => {}
      },
    },
    onLost() {
      lost += 1
    },
  })
  return {
    acknowledged,
    acknowledge,
    time,
    asked: () => asked.map(({ since, epoch }) => `${epoch} ${since}`),
    answer: (frame: SubscriptionFrame) => asked.at(-1)?.answer(frame),
    waiting: () => store.waiting(url, 0, 9).map(({ id }) => Number(id)),
    runs: () => store.acknowledged(url),
    lost: () => lost,
  }
}
const unknown = (common: number): SubscriptionFrame => ({
  type: 'CLOSED',
  sub: 's',
  message: `invalid: cursor-unknown common:${common}`,
})
const known: SubscriptionFrame = { type: 'SEQ', sub: 's', seq: 5, epoch: B }

test('what a relay acknowledged in an earlier run is asked for once; what it knows is not asked for again', () => {
  const { acknowledged, asked, answer, runs, waiting } = make([
    { seq: 4, epoch: A },
    { seq: 5, epoch: A },
    { seq: 6, epoch: B },
  ])
  acknowledged.check(B)
  acknowledged.check(B)
  expect(asked()).toEqual([`${A} 5`])
  answer(known)
  acknowledged.stop()
  acknowledged.check(B)
  expect(asked()).toHaveLength(1)
  expect([runs(), waiting()]).toEqual([[{ epoch: B, seq: 6 }], []])
})

test('a question that was interrupted is asked again, though the relay has acknowledged more by then', () => {
  const { acknowledged, acknowledge, asked, answer, waiting, lost } = make([
    { seq: 3, epoch: A },
    { seq: 5, epoch: A },
  ])
  acknowledged.check(B)
  acknowledge(4, B)
  acknowledged.stop()
  acknowledged.check(B)
  expect(asked()).toEqual([`${A} 5`, `${A} 5`])
  answer(unknown(3))
  expect([waiting(), lost()]).toEqual([[5], 1])
})

test('a refusal is no answer: asked again later', async () => {
  const { acknowledged, asked, answer, waiting, time } = make([{ seq: 5, epoch: A }])
  acknowledged.check(B)
  answer({ type: 'CLOSED', sub: 's', message: 'rate-limited: slow down' })
  await time.advance(60_000)
  expect(asked()).toHaveLength(2)
  answer(unknown(0))
  expect(waiting()).toEqual([5])
  acknowledged.stop()
  expect(time.pending).toBe(0)
})

test('each earlier run for itself; a position without a run stands for nothing', () => {
  const { acknowledged, asked, answer, waiting } = make([{ seq: 7 }, { seq: 9, epoch: '1' }, { seq: 2, epoch: A }])
  acknowledged.check(B)
  expect(waiting()).toEqual([7])
  answer(unknown(0))
  answer(known)
  expect(asked()).toEqual(['1 9', `${A} 2`])
  expect(waiting()).toEqual([7, 9])
})

test('an OK and the end of its connection read in one go: acknowledged in the run that the connection was about', async () => {
  const time = createVirtualTime(Date.UTC(2026, 0, 1))
  const random = seededRandom(1)
  const store = createMemoryMailStore()
  const agent = await openAgent({
    name: 'ada',
    relays: [url],
    presence: false,
    host: {
      clock: time.clock,
      timers: time.timers,
      random,
      verifier: standInVerifier,
      signer: standInSigner(random.bytes(32), random),
      contacts: () => [],
      store,
      dial(_url, events) {
        const say = (...frame: unknown[]) => events.onText(JSON.stringify(frame))
        const hear = ([verb, sub, filter]: [string, string | { id: string }, { since_seq?: number }?]) => {
          if (verb === 'REQ') {
            if (filter?.since_seq === 0) say('SEQ', sub, 0, A)
            say('EOSE', sub, ['finish', 'seq:0', `epoch:${A}`])
          } else if (verb === 'EVENT' && typeof sub === 'object') {
            say('OK', sub.id, true, 'seq: 1')
            events.onClose(1006, 'gone')
          }
        }
        queueMicrotask(() => events.onOpen?.())
        return {
          send: text => queueMicrotask(() => hear(JSON.parse(text))),
          close: () => events.onClose(1000, ''),
          terminate: () => {},
          unsentBytes: 0,
        }
      },
    },
  })
  await time.advance(2_000)
  await agent.send('b'.repeat(64), 'hello')
  await time.advance(0)
  expect(store.acknowledged(url)).toEqual([{ epoch: A, seq: 1 }])
  await agent.close({ timeoutMs: 0 })
})
