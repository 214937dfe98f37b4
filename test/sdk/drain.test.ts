import { spawn } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type Agent, createMemoryMailStore, createProfile, readProfile } from 'posthorn'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, carol, contactsOf, eventually, memoryAgent } from './agents.ts'

const SDK = new URL('../../dist/sdk/index.js', import.meta.url).href
const NOWHERE = 'ws://127.0.0.1:9'
const known = { contacts: contactsOf(alice, bob) }
const LONG = { timeoutMs: 25_000 }

let relay: RunningRelay
beforeEach(async () => {
  relay = await startRelay()
  return () => relay[Symbol.asyncDispose]()
})

/** Messages of alice's that lie at the relay. */
async function waiting(count: number, act = 'request'): Promise<{ asker: Agent; ids: string[] }> {
  const asker = await memoryAgent(alice, relay.url, known)
  const ids: string[] = []
  for (let n = 0; n < count; n += 1) ids.push(await asker.send('bob', `${n}`, { act }))
  for (const id of ids) await asker.stored(id)
  return { asker, ids }
}

test('open, drain, close: everything that waited is handled, and every outcome is at a relay', async () => {
  const { asker, ids } = await waiting(8)
  const store = createMemoryMailStore()
  const worker = await memoryAgent(bob, relay.url, { ...known, store })
  worker.handle('request', async ({ text }) => {
    await wait(30)
    return `did ${text}`
  })
  expect(await worker.drain(LONG)).toMatchObject({
    complete: true,
    handled: 8,
    failed: 0,
    rejected: 0,
    left: 0,
    unsent: 0,
    untold: 0,
    refused: 0,
    notReached: [],
  })
  await worker.close()
  for (const id of ids) {
    const { value } = await asker.replies(id)[Symbol.asyncIterator]().next()
    expect(value.text).toMatch(/^did \d$/)
    await eventually('done', () => asker.delivery(id)?.state === 'done')
  }
  const again = await memoryAgent(bob, relay.url, { ...known, store })
  again.handle('request', () => expect.unreachable())
  expect(await again.close({ drain: true, ...LONG })).toMatchObject({
    unsent: 0,
    drained: { complete: true, handled: 0 },
  })
})

test('what is not done is said: failed, hanging, due later, of strangers, without a handler', async () => {
  const { asker } = await waiting(1)
  await asker.stored(await asker.send('bob', 'throw', { act: 'delegate' }))
  await asker.stored(await asker.send('bob', 'later', { act: 'query' }))
  await asker.stored(await asker.send('bob', 'a note'))
  await asker.stored(await asker.send('bob', 'what?', { act: 'dance' }))
  const stranger = await memoryAgent(carol, relay.url, known)
  await stranger.stored(await stranger.send(bob.pubkey, 'buy this', { act: 'request' }))
  const worker = await memoryAgent(bob, relay.url, known)
  let runs = 0
  let release = () => {}
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  worker.handle('request', () => 'yes')
  worker.handle('delegate', () => Promise.reject(new Error('cannot')), { maxAttempts: 1 })
  worker.handle('query', async () => {
    runs += 1
    if (runs > 1) await released
    throw new Error('not yet')
  })
  const stateOf = (text: string) => worker.inbox().find(mail => mail.text === text)?.state
  await eventually(
    'the first attempts',
    () => stateOf('0') === 'done' && stateOf('throw') === 'set-aside' && runs === 1,
  )
  const drained = await worker.drain({ timeoutMs: 1_500 })
  expect(drained).toMatchObject({ complete: false, handled: 1, failed: 1, rejected: 1, left: 1, refused: 0 })
  expect(worker.inbox({ unread: true }).map(({ text }) => text)).toEqual(
    expect.arrayContaining(['a note', 'later', 'buy this']),
  )
  release()
  // With time enough it waits for the retries.
  expect(await worker.drain(LONG)).toMatchObject({ complete: true, handled: 0, failed: 1, left: 0 })
  expect(runs).toBe(3)
})

test('what is tried again only after the time is over is not waited for', async () => {
  const mail = await waiting(1)
  const worker = await memoryAgent(bob, relay.url, known)
  worker.handle('request', () => {
    throw new Error('not yet')
  })
  await eventually('the first attempt', () => worker.inbox()[0]?.state === 'failed')
  await worker.sync()
  // Retries wait a second or longer.
  const drained = await worker.drain({ timeoutMs: 100 })
  expect(drained).toMatchObject({ complete: false, handled: 0, left: 1 })
  expect(mail.ids).toEqual([worker.inbox()[0]?.id])
})

test('a handler that hangs keeps nobody: its message is left, the others are done', async () => {
  await waiting(4)
  const worker = await memoryAgent(bob, relay.url, known)
  worker.handle('request', ({ text }) => (text === '2' ? new Promise(() => {}) : 'yes'), { concurrency: 2 })
  await eventually('the others are done', () => worker.inbox().filter(({ state }) => state === 'done').length === 3)
  const start = performance.now()
  const drained = await worker.drain({ timeoutMs: 600 })
  expect(performance.now() - start).toBeGreaterThanOrEqual(590)
  expect(drained).toMatchObject({ complete: false, handled: 3, left: 1, notReached: [] })
  const result = await worker.close({ drain: true, timeoutMs: 200 })
  expect(result.drained).toMatchObject({ complete: false, left: 1 })
})

test('without any handler mail stays, and nothing is refused', async () => {
  const { asker, ids } = await waiting(3)
  const worker = await memoryAgent(bob, relay.url, known)
  expect(await worker.drain(LONG)).toMatchObject({ complete: true, handled: 0, rejected: 0, left: 0 })
  expect(worker.status().unread).toBe(3)
  // Receipts that it came are outcomes, too.
  await eventually('received', () => ids.every(id => asker.delivery(id)?.state === 'received'))
})

test('a relay that is away: the time is kept, and nothing is pretended', async () => {
  const worker = await memoryAgent(bob, NOWHERE, known)
  worker.handle('request', () => 'yes')
  await worker.send('alice', 'hello')
  const start = performance.now()
  const drained = await worker.drain({ timeoutMs: 600 })
  expect(performance.now() - start).toBeGreaterThanOrEqual(590)
  expect(drained).toMatchObject({ complete: false, handled: 0, unsent: 1 })
  expect(drained.notReached).toEqual([{ relay: NOWHERE, reason: expect.stringMatching(/./) }])
})

test('one relay of two is away: what the other has is handled, and the one is named', async () => {
  await waiting(3)
  const worker = await memoryAgent(bob, [NOWHERE, relay.url], known)
  worker.handle('request', () => 'yes')
  const drained = await worker.drain(LONG)
  expect(drained).toMatchObject({ complete: false, handled: 3, left: 0, unsent: 0 })
  expect(drained.notReached.map(({ relay }) => relay)).toEqual([NOWHERE])
})

test('a relay that goes away in the middle is named, and what could not go out is counted', async () => {
  await waiting(2)
  const worker = await memoryAgent(bob, relay.url, known)
  let isClosed = false
  worker.handle('request', async () => {
    await relay.relay.close()
    isClosed = true
    return 'yes'
  })
  await eventually('it went away', () => isClosed && worker.status().relays[0]?.state === 'offline')
  const drained = await worker.drain({ timeoutMs: 500 })
  expect(drained.complete).toBe(false)
  expect(drained.notReached).toHaveLength(1)
  expect(drained.unsent).toBeGreaterThan(0)
  await relay.restart().catch(() => {})
})

test('an answer that the relay refuses for good is counted as refused', async () => {
  const strict = await startRelay({
    policy: () => ({
      write: ({ content, pubkey }) => (content === 'no' && pubkey === bob.pubkey ? 'blocked: not that' : undefined),
    }),
  })
  onTestFinished(() => strict[Symbol.asyncDispose]())
  const asker = await memoryAgent(alice, strict.url, known)
  await asker.stored(await asker.send('bob', 'is it?', { act: 'request', public: true }))
  const worker = await memoryAgent(bob, strict.url, known)
  worker.handle('request', () => 'no')
  expect(await worker.drain(LONG)).toMatchObject({ complete: false, handled: 1, refused: 1, unsent: 0 })
})

test('mail that comes while it drains is drained', async () => {
  const { asker } = await waiting(1)
  const worker = await memoryAgent(bob, relay.url, known)
  worker.handle('request', async ({ text }) => {
    if (text.length < 4) await asker.stored(await asker.send('bob', `${text}0`, { act: 'request' }))
    // Longer than the message is on its way.
    await eventually('it came', () => text.length >= 4 || worker.inbox().length > text.length)
    return 'yes'
  })
  expect(await worker.drain(LONG)).toMatchObject({ complete: true, handled: 4 })
})

test('it can be given up by a signal, and ends when the agent is closed', async () => {
  await waiting(1)
  const worker = await memoryAgent(bob, relay.url, known)
  worker.handle('request', () => new Promise(() => {}))
  await expect(worker.drain({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
  const giveUp = new AbortController()
  const given = worker.drain({ ...LONG, signal: giveUp.signal })
  const closing = worker.drain(LONG)
  await eventually('it runs', () => worker.inbox()[0]?.state === 'working')
  giveUp.abort(new Error('enough'))
  await expect(given).rejects.toThrow('enough')
  await worker.close({ timeoutMs: 50 })
  expect(await closing).toMatchObject({ complete: false, left: 1 })
  await expect(worker.drain()).rejects.toMatchObject({ code: 'agent-closed' })
})

test('killed in the middle and run again: each message is handled, and answered once', async () => {
  const root = tempDir()
  const home = join(root, 'bob')
  const trace = join(root, 'trace')
  createProfile({ home, name: 'bob', relays: [relay.url] })
  const { pubkey } = readProfile(home)
  const asker = await memoryAgent(alice, relay.url, { contacts: [{ name: 'bob', pubkey }] })
  const ids: string[] = []
  for (let n = 0; n < 8; n += 1) ids.push(await asker.send('bob', `${n}`, { act: 'request' }))
  for (const id of ids) await asker.stored(id)
  appendFileSync(trace, '')
  const script = `
    import { appendFileSync } from 'node:fs'
    import { openAgent } from ${JSON.stringify(SDK)}
    const agent = await openAgent({ home: ${JSON.stringify(home)}, accept: 'anyone' })
    agent.handle('request', async ({ text }) => {
      appendFileSync(${JSON.stringify(trace)}, text + '\\n')
      await new Promise(resolve => setTimeout(resolve, 40))
      return 'did ' + text
    })
    console.log(JSON.stringify(await agent.drain({ timeoutMs: 25000 })))
    await agent.close()`
  const run = () =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const begun = () => readFileSync(trace, 'utf8').split('\n').length - 1
  const first = run()
  await eventually('it is in the middle', () => begun() >= 3)
  first.kill('SIGKILL')
  await new Promise(resolve => first.once('exit', resolve))
  expect(begun()).toBeLessThan(8)
  const second = run()
  let out = ''
  second.stdout.setEncoding('utf8').on('data', text => {
    out += text
  })
  await new Promise(resolve => second.once('close', resolve))
  const drained = JSON.parse(out)
  expect(drained).toMatchObject({ complete: true, left: 0, unsent: 0 })
  expect(drained.handled).toBeGreaterThanOrEqual(8 - begun() + 1)
  expect(new Set(readFileSync(trace, 'utf8').trim().split('\n')).size).toBe(8)
  await asker.sync()
  for (const id of ids) {
    await eventually('done', () => asker.delivery(id)?.state === 'done')
    expect(asker.inbox().filter(({ replyTo }) => replyTo === id)).toHaveLength(1)
  }
})
