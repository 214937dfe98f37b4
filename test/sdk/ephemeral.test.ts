import { type IncomingMessage, RefusedError } from 'posthorn'
import { createVirtualTime, testMesh } from 'posthorn/testing'
import { expect, onTestFinished, test } from 'vitest'
import { systemRandom } from '#dist/platform/random.js'
import { nobleVerifier } from '#dist/platform/verifier.js'
import { createEar } from '#dist/sdk/ephemeral/ear.js'
import { localSigner } from '#dist/sdk/identity/local-signer.js'
import { createLines } from '#dist/sdk/link/lines.js'
import { createSealer } from '#dist/sdk/mail/seal.js'
import { createRates } from '#dist/sdk/rate.js'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, carol, contactsOf, eventually, memoryAgent } from './agents.ts'

async function meshOf(relays = 1) {
  const mesh = await testMesh({ seed: 11, relays })
  onTestFinished(() => mesh.close())
  const during = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false
    const done = () => {
      settled = true
    }
    promise.then(done, done)
    for (let tries = 0; !settled && tries < 100; tries += 1) await mesh.advance(250)
    return promise
  }
  return { mesh, during }
}

test('an ephemeral message is heard once, sealed, by who listens now, and kept nowhere', async () => {
  const { mesh, during } = await meshOf(2)
  const ada = await mesh.agent('ada')
  const ben = await mesh.agent('ben')
  await mesh.advance(1_000)
  const early = await during(ada.send('ben', 'nobody yet', { ephemeral: true }))
  expect(ada.delivery(early)).toEqual({ state: 'unheard', reason: expect.stringMatching(/^mute:/) })

  const heard: IncomingMessage[] = []
  const told: unknown[] = []
  const stop = ben.on('ephemeral', message => void heard.push(message))
  ada.on('delivery', delivery => void told.push(delivery))
  await mesh.advance(1_000)
  const id = await during(ada.send('ben', 'half done', { act: 'inform', ephemeral: true, replyTo: early }))
  await mesh.advance(1_000)
  expect(heard).toEqual([
    expect.objectContaining({
      id,
      text: 'half done',
      from: ada.pubkey,
      fromName: 'ada',
      private: true,
      replyTo: early,
    }),
  ])
  expect(ada.delivery(id)).toEqual({ state: 'sent', relay: mesh.url })
  expect(told).toEqual([{ id, state: 'sent', relay: mesh.url }])
  const wrapped = await during(ada.send('ben', 'psst', { ephemeral: true, wrap: true }))
  await mesh.advance(1_000)
  expect(heard.at(-1)).toMatchObject({ id: wrapped, text: 'psst', wrap: 'agent' })
  expect(heard).toHaveLength(2)
  expect([ada.status().queue, ada.copies(id), ben.inbox(), ada.receipts(id)]).toEqual([0, [], [], []])
  for (const relay of mesh.relays) expect(await relay.has(id)).toBe(false)

  stop()
  await mesh.advance(1_000)
  const late = await during(ada.send('ben', 'gone again', { ephemeral: true }))
  expect(ada.delivery(late)).toMatchObject({ state: 'unheard' })
  for (const odd of [{ idem: 'x' }, { wrap: 'chat' }, { wrap: true, copy: true }] as const)
    await expect(ada.send('ben', 'x', { ephemeral: true, ...odd })).rejects.toMatchObject({ code: 'message-malformed' })
})

test('ephemeral: posts to a topic, to relays of others, and with no relay in reach', async () => {
  const { mesh, during } = await meshOf(2)
  const [hub, theirs] = mesh.relays
  if (!hub || !theirs) throw new Error('no relays')
  const ben = await mesh.agent('ben', { relays: [theirs.url, hub.url] })
  await mesh.advance(5_000)
  await mesh.block('ben', hub.url)
  const ada = await mesh.agent('ada', { relays: [hub.url] })
  const heard: string[] = []
  ben.on('ephemeral', ({ topic, text }) => void heard.push(`${topic ?? 'direct'}: ${text}`))
  ben.subscribe('builds', () => void heard.push('no handler runs'))
  await mesh.advance(5_000)
  const far = await during(ada.send('ben', 'over there', { ephemeral: true }))
  expect([ada.delivery(far), heard]).toEqual([{ state: 'sent', relay: theirs.url }, ['direct: over there']])
  await mesh.advance(40_000)
  expect(theirs.connections).toBe(1)

  mesh.unblock('ben', hub.url)
  await mesh.advance(60_000)
  await during(ada.topic('builds/mac').publish('50 %', { ephemeral: true }))
  await during(ada.topic('buildsystem').publish('not this', { ephemeral: true }))
  await mesh.advance(1_000)
  expect(heard.slice(1)).toEqual(['builds/mac: 50 %'])

  await hub.kill()
  await theirs.kill()
  await mesh.advance(1_000)
  const lost = await during(ada.send('ben', 'into the void', { ephemeral: true }))
  expect(ada.delivery(lost)).toEqual({ state: 'unheard', reason: expect.any(String) })
  expect(ada.status().queue).toBe(0)
})

test('ephemeral: strangers are heard by whom accepts anyone, and a refusal is an error', async () => {
  await using relay = await startRelay()
  const b = await memoryAgent(bob, relay.url, { contacts: contactsOf(alice) })
  const c = await memoryAgent(carol, relay.url, { contacts: contactsOf(bob) })
  const a = await memoryAgent(alice, relay.url, { contacts: contactsOf(bob), accept: 'anyone' })
  const heard: string[] = []
  b.on('ephemeral', ({ text }) => void heard.push(text))
  a.on('ephemeral', ({ text }) => void heard.push(text))
  await Promise.all([a, b, c].map(agent => agent.sync()))
  await c.send('bob', 'from a stranger', { ephemeral: true })
  await c.send(alice.pubkey, 'from anyone', { ephemeral: true })
  await a.send('bob', 'from a friend', { ephemeral: true })
  await eventually('both', () => heard.length >= 2)
  expect(heard.sort()).toEqual(['from a friend', 'from anyone'])
  a.requests.deny(carol.pubkey)
  await c.send(alice.pubkey, 'from one denied', { ephemeral: true })
  await a.send('bob', 'after it', { ephemeral: true })
  await eventually('the last', () => heard.includes('after it'))
  expect(heard).not.toContain('from one denied')
  await using strict = await startRelay({
    policy: { write: event => (event.kind === 24_700 ? 'blocked: none of these' : undefined) },
  })
  const other = await memoryAgent(carol, strict.url, { contacts: contactsOf(bob) })
  await expect(other.send('bob', 'x', { ephemeral: true })).rejects.toThrow(RefusedError)
})

test('an ear forgets replays, hears each id once and no more than the rate', async () => {
  const { clock } = createVirtualTime(1_000_000_000_000)
  const signer = localSigner(bob.secretKey, systemRandom)
  const heard: string[] = []
  let hear: (event: ReturnType<typeof alice.sign>) => void = () => {}
  const line = {
    url: 'ws://r',
    isOpen: true,
    publish: async () => ({ accepted: true, message: '' }),
    leaveWill: async () => ({ accepted: true, message: '' }),
    watch(_filters: unknown, handlers: { onEvent(event: ReturnType<typeof alice.sign>): void }) {
      hear = handlers.onEvent
      return () => {}
    },
    follow: () => () => {},
    ask: async () => ({ events: [], invalid: 0, complete: false }),
    feeds: () => expect.unreachable(),
    subscribe: () => () => {},
  }
  const ear = createEar({
    lines: createLines([line]),
    pubkey: bob.pubkey,
    sealer: createSealer(signer),
    verifier: nobleVerifier,
    clock,
    rates: createRates(clock, () => ({ perMinute: 60, burst: 3 })),
    accepts: () => true,
    onMessage: ({ text }) => void heard.push(text),
  })
  ear.listen(true, [])
  const say = (content: string, age = 0, tags: string[][] = []) =>
    alice.sign({ kind: 24_700, created_at: 1_000_000_000 - age, content, tags: [['p', bob.pubkey], ...tags] })
  const once = say('once')
  hear(once)
  hear(once)
  hear(say('a replay', 16 * 60))
  hear(say('over', 0, [['expiration', '999999999']]))
  hear(say('two'))
  hear(say('too many'))
  expect(heard).toEqual(['once', 'two'])
  ear.close()
})
