import { connect } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { corrupt, notes, nowSeconds } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, fastTimers, memoryAgent } from './agents.ts'
import { scriptedRelay } from './scripted-relay.ts'

test('publish, request, count, live events, log order on one connection', async () => {
  await using relay = await startRelay()
  const client = await connect(relay.url)
  const [first, second, third] = notes(alice, 3) as [NostrEvent, NostrEvent, NostrEvent]
  const stored = await client.publish(first)
  expect(stored).toMatchObject({ accepted: true, seq: expect.any(Number) })
  expect(await client.publish(first)).toMatchObject({ accepted: true, seq: stored.seq })
  await client.publish(second)
  expect(await client.publish(corrupt(third, 'sig'))).toMatchObject({ accepted: false })
  expect(await client.count([{ kinds: [1] }])).toBe(2)

  const got: [string, number | undefined][] = []
  let complete: string | undefined
  const live = client.request([{ kinds: [1], authors: [alice.pubkey] }], {
    onEvent: ({ id }, seq) => got.push([id, seq]),
    onEose: hints => {
      complete = hints.complete
    },
  })
  await eventually('stored part', () => complete === 'finish')
  expect(got.map(([id]) => id)).toEqual([second.id, first.id])
  await client.publish(third)
  await eventually('live', () => got.length === 3)
  live.close()

  const order: unknown[] = []
  client.request([{ kinds: [1], since_seq: 0 }], {
    onSeq: seq => order.push(seq),
    onEvent: ({ id }, seq) => order.push([id, seq]),
    onEose: () => order.push('end'),
  })
  await eventually('log order', () => order.at(-1) === 'end')
  expect(order.map(each => (Array.isArray(each) ? each[0] : each))).toEqual([0, first.id, second.id, third.id, 'end'])

  const refused: string[] = []
  client.request([{ since_seq: 5 }], { onClosed: reason => refused.push(reason) })
  await eventually('refused', () => refused.length === 1)
  expect(refused[0]).toMatch(/^invalid: /)
  await client.close()
  await expect(client.publish(first)).rejects.toMatchObject({ code: 'relay-unreachable' })
  await expect(client.count([{}])).rejects.toMatchObject({ code: 'relay-unreachable' })
})

test('nobody there: says so', async () => {
  await expect(connect('ws://127.0.0.1:9')).rejects.toMatchObject({
    code: 'relay-unreachable',
    message: expect.stringContaining('ECONNREFUSED'),
  })
})

test('forged and unasked events are dropped and counted; a loss ends the request; no COUNT is a refusal', async () => {
  const genuine = bob.sign({ kind: 1, created_at: nowSeconds() })
  const relay = await scriptedRelay((peer, frame) => {
    if (frame[0] === 'COUNT') return peer.send('CLOSED', frame[1], 'unsupported: no counting')
    if (frame[0] !== 'REQ') return
    peer.event(frame[1], corrupt(genuine, 'id'))
    peer.event(frame[1], bob.sign({ kind: 7, created_at: nowSeconds() }))
    peer.event(frame[1], genuine)
    peer.send('EOSE', frame[1])
  })
  const client = await connect(relay.url)
  onTestFinished(() => client.close())
  const got: string[] = []
  let ended = ''
  const request = client.request([{ kinds: [1] }], {
    onEvent: ({ id }) => got.push(id),
    onEose: () => got.push('end'),
    onClosed: reason => {
      ended = reason
    },
  })
  await eventually('end', () => got.at(-1) === 'end')
  expect([got, request.invalid]).toEqual([[genuine.id, 'end'], 2])
  await expect(client.count([{}])).rejects.toMatchObject({ code: 'relay-refused', reason: 'unsupported: no counting' })
  relay.drop()
  await eventually('lost', () => ended !== '')
  expect(ended).toMatch(/^error: /)
})

test('a relay that goes silent is asked for a sign of life, and given up without one', async () => {
  let answers = true
  const relay = await scriptedRelay((peer, frame) => {
    if (frame[0] !== 'REQ' || !answers) return
    const filter = frame[2] as { since_seq?: number }
    if (filter.since_seq !== undefined) peer.send('SEQ', frame[1], filter.since_seq, '0000000000010000')
    peer.send('EOSE', frame[1], ['finish', 'seq:0', 'epoch:0000000000010000'])
  })
  const agent = await memoryAgent(alice, relay.url, { host: { timers: fastTimers(40) } })
  await agent.sync()
  await eventually('signs of life', () => relay.heard.filter(frame => frame[0] === 'REQ').length >= 2)
  expect(relay.connections).toBe(1)
  answers = false
  await eventually('given up', () => relay.connections >= 2)
})
