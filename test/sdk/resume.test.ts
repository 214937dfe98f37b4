import { cpSync, rmSync } from 'node:fs'
import { createMemoryMailStore } from 'posthorn'
import { createRelay } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { makeTempDir, removeDir, tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, eventually, fastTimers, memoryAgent } from './agents.ts'

test('mail that came while asleep is there on waking: all, in order, once, and nothing before it again', async () => {
  await using relay = await startRelay()
  const store = createMemoryMailStore()
  const sender = await memoryAgent(bob, relay.url)
  const texts = Array.from({ length: 60 }, (_, n) => `message ${n}`)
  const send = async (from: number, to: number) => {
    for (const text of texts.slice(from, to)) await sender.send('alice', text)
    await eventually('sent', () => sender.status().queue === 0)
  }
  await send(0, 20)
  const first = await memoryAgent(alice, relay.url, { store })
  expect(await first.sync()).toMatchObject({ received: 20, new: 20, complete: true, mayMiss: false, gaps: 0 })
  await first.close()
  await send(20, 40)
  await relay.restart()
  await send(40, 60)
  const second = await memoryAgent(alice, relay.url, { store })
  expect(await second.sync()).toMatchObject({ received: 40, new: 40, invalid: 0, gaps: 0 })
  expect(second.inbox().map(each => each.text)).toEqual(texts)
  const seqs = second.inbox().map(each => each.seq ?? 0)
  expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
  expect(await second.sync()).toMatchObject({ received: 0, new: 0, complete: true })
})

test('a live agent rides over restarts of the relay; what is sent meanwhile waits in the outbox', async () => {
  await using relay = await startRelay()
  const timers = fastTimers(20)
  const states: string[] = []
  const receiver = await memoryAgent(alice, relay.url, { host: { timers } })
  const sender = await memoryAgent(bob, relay.url, { host: { timers } })
  receiver.on('status', ({ relays }) => states.push(relays[0]?.state ?? ''))
  await receiver.sync()
  const sent: string[] = []
  for (let round = 0; round < 4; round += 1) {
    const ids = [1, 2, 3].map(n => sender.send('alice', `${round}.${n}`))
    await relay.restart()
    sent.push(...(await Promise.all(ids)))
    await sender.send('alice', `${round}.4`).then(id => sent.push(id))
  }
  await eventually('all arrived', () => receiver.inbox().length >= 16)
  await eventually('queue empty', () => sender.status().queue === 0)
  expect(new Set(receiver.inbox().map(each => each.id))).toEqual(new Set(sent))
  expect(receiver.inbox().length).toBe(16)
  expect(states).toContain('offline')
  await eventually('all receipts', () => sent.every(id => sender.delivery(id)?.state === 'received'))
  for (const id of sent) expect(sender.delivery(id)).toMatchObject({ seq: expect.any(Number) })
})

test('status is honest without a relay: offline, queued, not complete; then it is sent', async () => {
  const holder = await startRelay()
  const { url } = holder
  const port = Number(new URL(url).port)
  await holder[Symbol.asyncDispose]()
  const agent = await memoryAgent(bob, url, { host: { timers: fastTimers(20) } })
  const id = await agent.send('alice', 'wait for it')
  expect(await agent.sync({ maxMs: 2_000 })).toMatchObject({ complete: false, status: 'offline', received: 0 })
  expect(agent.status()).toMatchObject({ queue: 1, relays: [{ state: 'offline', error: expect.any(String) }] })
  await expect(agent.stored(id, { timeout: 100 })).rejects.toMatchObject({ code: 'timeout', id })
  const relay = await createRelay({ verifier: await sharedVerifier(), data: tempDir() })
  await relay.listen({ port })
  await eventually('stored', () => agent.delivery(id)?.state === 'stored')
  await agent.close()
  await relay.close()
})

test('a deadline passes while offline: expired, and never sent', async () => {
  const agent = await memoryAgent(bob, 'ws://127.0.0.1:9')
  const id = await agent.send('alice', 'too late', { deadline: 1 })
  await expect(agent.stored(id)).rejects.toMatchObject({ code: 'expired', id })
  expect(agent.status().queue).toBe(0)
})

test('a relay put back to an older copy: the agents resync and offer again what it lost', async () => {
  const [data, copy] = [makeTempDir(), makeTempDir()]
  let relay = await createRelay({ verifier: await sharedVerifier(), data })
  const url = await relay.listen({ port: 0 })
  const port = Number(new URL(url).port)
  const stores = { alice: createMemoryMailStore(), bob: createMemoryMailStore() }
  const open = async () => ({
    a: await memoryAgent(alice, url, { store: stores.alice }),
    b: await memoryAgent(bob, url, { store: stores.bob }),
  })
  const { a, b } = await open()
  await b.stored(await b.send('alice', 'before the backup'))
  await a.sync()
  await a.close()
  await b.close()
  await relay.close()
  rmSync(copy, { recursive: true })
  cpSync(data, copy, { recursive: true })

  relay = await createRelay({ verifier: await sharedVerifier(), data })
  await relay.listen({ port })
  const during = await open()
  const lost = await during.b.send('alice', 'after the backup')
  await during.b.stored(lost)
  await during.a.sync()
  expect(during.a.inbox().length).toBe(2)
  await during.a.close()
  await during.b.close()
  await relay.close()

  relay = await createRelay({ verifier: await sharedVerifier(), data: copy })
  await relay.listen({ port })
  const after = await open()
  await eventually('offered again', () => relay !== undefined && after.b.status().queue === 0)
  await after.a.sync()
  expect(after.a.inbox().map(each => each.text)).toEqual(['before the backup', 'after the backup'])
  const { connect } = await import('posthorn')
  const client = await connect(url)
  // What was acknowledged counts as stored until the loss is noticed, so only the relay itself can tell.
  await expect.poll(() => client.count([{ ids: [lost] }]), { timeout: 10_000 }).toBe(1)
  await eventually('acknowledged again', () => after.b.status().queue === 0)
  await client.close()
  await after.a.close()
  await after.b.close()
  await relay.close()
  removeDir(data)
  removeDir(copy)
})
