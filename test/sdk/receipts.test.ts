import { type Agent, connect, type OpenAgentOptions, Rejection } from 'posthorn'
import { testMesh } from 'posthorn/testing'
import { expect, onTestFinished, test } from 'vitest'
import { compareReceipts } from '#dist/sdk/mail/receipt-order.js'
import { readMail } from '#dist/sdk/mail/receive.js'
import { createSealer } from '#dist/sdk/mail/seal.js'
import type { Receipt } from '#dist/sdk/mail/types.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, carol, contactsOf, eventually, memoryAgent, messageTo } from './agents.ts'

async function pair(options: { accept?: 'anyone' } = {}) {
  const mesh = await testMesh({ seed: 4 })
  onTestFinished(() => mesh.close())
  const ada = await mesh.agent('ada')
  const ben = await mesh.agent('ben', options)
  return { mesh, ada, ben }
}

const stateOf = (agent: Agent, id: string) => agent.delivery(id)?.state

test('stored, received, done: each as it happens, signed by the recipient', async () => {
  const { mesh, ada, ben } = await pair()
  const told: string[] = []
  ada.on('delivery', ({ state }) => told.push(state))
  await mesh.kill('ben')
  const id = await ada.send('ben', 'are you there?', { act: 'request' })
  await mesh.advance(3_600_000)
  expect(ada.delivery(id)).toMatchObject({ state: 'stored', seq: 1 })
  const again = await mesh.wake('ben')
  await mesh.advance(1_000)
  expect(ada.delivery(id)).toMatchObject({ state: 'received', seq: 1, at: Math.floor(mesh.now / 1000) - 1 })
  again.handle('request', () => undefined)
  await mesh.advance(1_000)
  expect(stateOf(ada, id)).toBe('done')
  expect(ada.receipts(id).map(({ state, from }) => [state, from])).toEqual([
    ['received', ben.pubkey],
    ['done', ben.pubkey],
  ])
  expect(told).toEqual(['stored', 'received', 'done'])
})

test('working is told when the handler says so; failure and refusal with their reasons', async () => {
  const { mesh, ada, ben } = await pair()
  ben.handle('request', async ({ text, working }) => {
    await working('half of it is done')
    if (text === 'refuse') throw new Rejection('not on a Sunday')
    throw new Error('no luck')
  })
  const refused = await ada.send('ben', 'refuse', { act: 'request' })
  await mesh.settle()
  await mesh.advance(500)
  expect(ada.receipts(refused).map(({ state, text, private: sealed }) => [state, text, sealed])).toEqual([
    ['working', 'half of it is done', true],
    ['rejected', 'not on a Sunday', true],
  ])
  expect(ada.delivery(refused)).toMatchObject({ state: 'rejected', reason: 'not on a Sunday' })
  expect(ada.inbox().at(-1)).toMatchObject({ act: 'refuse', text: 'not on a Sunday', replyTo: refused })
  const failed = await ada.send('ben', 'fail', { act: 'request' })
  await mesh.advance(60_000)
  expect(ada.delivery(failed)).toMatchObject({ state: 'failed', reason: 'no luck' })
  expect(ben.deadLetters.list()).toMatchObject([{ direction: 'in', id: failed, reason: 'no luck' }])
})

test('more than a hundred missed messages are receipted a hundred at a time, and receipts are not receipted', async () => {
  const { mesh, ada } = await pair()
  await mesh.kill('ben')
  const ids: string[] = []
  for (let n = 0; n < 120; n += 1) ids.push(await ada.send('ben', `${n}`, { public: true }))
  await mesh.advance(5_000)
  const ben = await mesh.wake('ben')
  await mesh.advance(5_000)
  expect(new Set(ids.map(id => stateOf(ada, id)))).toEqual(new Set(['received']))
  expect(new Set(ids.flatMap(id => ada.receipts(id).map(receipt => receipt.id))).size).toBeLessThanOrEqual(4)
  expect([ada.inbox().length, ada.status().queue, ben.status().queue]).toEqual([0, 0, 0])
})

test('what was received and not yet told is told by the next life, once', async () => {
  const { mesh, ada } = await pair()
  const id = await ada.send('ben', 'x')
  await mesh.settle()
  await mesh.kill('ben')
  await mesh.advance(60_000)
  expect(stateOf(ada, id)).toBe('stored')
  await mesh.wake('ben')
  await mesh.advance(2_000)
  expect(ada.receipts(id).map(({ state }) => state)).toEqual(['received'])
})

test('with a deadline, a message that nobody answered for expires; a terminal receipt still says what was', async () => {
  const { mesh, ada } = await pair()
  await mesh.kill('ben')
  const id = await ada.send('ben', 'in time?', { deadline: 60 })
  await mesh.advance(59_000)
  expect(stateOf(ada, id)).toBe('stored')
  await mesh.advance(1_000)
  expect(ada.delivery(id)).toEqual({ state: 'expired' })
})

test('strangers get no receipts unless they are accepted', async () => {
  await using relay = await startRelay()
  const dora = { ...person('dora'), name: 'dora' }
  const open = async (options: Partial<OpenAgentOptions>) => {
    const a = await memoryAgent(dora, relay.url, { contacts: [] })
    const b = await memoryAgent(bob, relay.url, { contacts: [], ...options })
    b.handle('request', () => 'done')
    const id = await a.send(bob.pubkey, 'x', { act: 'request' })
    await eventually('arrived', () => b.inbox().some(mail => mail.id === id))
    await b.sync()
    await b.close()
    await a.sync()
    const state = a.delivery(id)?.state
    await a.close()
    return state
  }
  expect(await open({})).toBe('stored')
  expect(await open({ accept: 'anyone', receipts: 'contacts' })).toBe('stored')
  expect(await open({ accept: 'anyone' })).toBe('done')
})

test('nobody else can end a question, nor have its sender told anything', async () => {
  await using relay = await startRelay()
  const contacts = contactsOf(alice, bob, carol)
  const [a, b] = [await memoryAgent(alice, relay.url, { contacts }), await memoryAgent(bob, relay.url, { contacts })]
  const told: string[] = []
  a.on('delivery', ({ state }) => told.push(state))
  let answer = () => {}
  const asked = new Promise<string>(resolve => {
    b.handle('request', async ({ id }) => {
      resolve(id)
      await new Promise<void>(done => {
        answer = done
      })
      return 'yes'
    })
  })
  const asking = a.ask('bob', 'is it sound?', { timeout: 60_000 })
  const id = await asked
  const client = await connect(relay.url)
  for (const state of ['rejected', 'failed', 'done'])
    await client.publish(
      carol.sign({
        kind: 4701,
        created_at: nowSeconds(),
        content: 'no',
        tags: [
          ['p', alice.pubkey],
          ['y', state],
          ['e', id],
        ],
      }),
    )
  // What comes behind them has been read: so have they.
  await client.publish(messageTo(alice, carol, 'behind them'))
  await client.close()
  await eventually('read', () => a.inbox().some(({ text }) => text === 'behind them'))
  answer()
  expect((await asking).text).toBe('yes')
  await eventually('done', () => a.delivery(id)?.state === 'done')
  expect(a.receipts(id).every(({ from }) => from === bob.pubkey)).toBe(true)
  // `received` may be left out where more is told at once.
  expect(told.filter(state => state !== 'received')).toEqual(['stored', 'done'])
})

test('a receipt by anybody else, or about a message to somebody else, counts for nothing', async () => {
  await using relay = await startRelay()
  const contacts = contactsOf(alice, bob, carol)
  const a = await memoryAgent(alice, relay.url, { contacts })
  const message = await a.send('bob', 'y')
  await a.stored(message)
  const receipt = (from: typeof bob, state: string, ...more: string[][]) =>
    from.sign({
      kind: 4701,
      created_at: nowSeconds(),
      content: '',
      tags: [['p', alice.pubkey], ['y', state], ['e', message], ...more],
    })
  const client = await connect(relay.url)
  for (const event of [receipt(carol, 'done'), receipt(bob, 'eaten'), receipt(bob, 'received', ['e', 'f'.repeat(64)])])
    expect(await client.publish(event)).toMatchObject({ accepted: true })
  await client.close()
  await eventually('received', () => a.delivery(message)?.state === 'received')
  expect(a.receipts(message).map(({ state }) => state)).toEqual(['received'])
  expect(a.receipts('f'.repeat(64))).toEqual([])
})

test('receipts for a wrapped message are wrapped: nobody sees who told whom what', async () => {
  await using relay = await startRelay()
  const contacts = contactsOf(alice, bob)
  const a = await memoryAgent(alice, relay.url, { contacts })
  const b = await memoryAgent(bob, relay.url, { contacts })
  b.handle('request', () => 'yes')
  const answer = await a.ask('bob', 'psst', { wrap: true })
  expect(answer).toMatchObject({ text: 'yes', wrap: 'agent' })
  await eventually('done', () => a.delivery(answer.replyTo ?? '')?.state === 'done')
  const client = await connect(relay.url)
  expect(await client.count([{ kinds: [4700, 4701] }])).toBe(0)
  await client.close()
})

test('a receipt that names a thousand messages counts for a hundred', async () => {
  const tags = Array.from({ length: 200 }, (_, n) => ['e', n.toString(16).padStart(64, '0')])
  const event = bob.sign({ kind: 4701, content: '', tags: [['p', alice.pubkey], ['y', 'received'], ...tags] })
  const signer = { pubkey: alice.pubkey, sign: () => event, encrypt: () => '', decrypt: () => '' }
  const { receipts } = await readMail([{ event }], {
    relay: 'ws://r',
    pubkey: alice.pubkey,
    sealer: createSealer(signer),
    verifier: { tier: 'test', verify: async events => events.map(() => true), close: async () => {} },
  })
  expect(receipts.length).toBe(100)
})

test('within one second work that has begun comes after what was received, whatever their ids are', () => {
  const receipt = (state: Receipt['state'], id: string, at = 5): Receipt => ({
    ...{ id, of: 'm', from: 'p', state, at, private: false },
  })
  const orderOf = (...receipts: Receipt[]) => receipts.sort(compareReceipts).map(({ state, id }) => `${state} ${id}`)
  expect(orderOf(receipt('working', 'a'), receipt('received', 'b'))).toEqual(['received b', 'working a'])
  expect(orderOf(receipt('working', 'a', 4), receipt('received', 'b'))).toEqual(['working a', 'received b'])
  expect(orderOf(receipt('done', 'b', 1), receipt('failed', 'a', 1), receipt('working', 'c'))).toEqual([
    'working c',
    'failed a',
    'done b',
  ])
})
