import { setTimeout as wait } from 'node:timers/promises'
import { createMemoryMailStore, localSigner, type Signer, SignerError } from 'posthorn'
import { expect, test } from 'vitest'
import { systemRandom } from '#dist/platform/random.js'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, memoryAgent } from './agents.ts'

/** A key that is somewhere else: every answer takes a while, in no particular order, and at times there is none. */
function farSigner(who: typeof alice, far: { away: boolean; lag?: () => number }): Signer {
  const local = localSigner(who.secretKey, systemRandom)
  let asked = 0
  const later = async <T>(answer: () => T): Promise<T> => {
    asked += 1
    await wait(far.lag?.() ?? (asked % 3) * 4)
    if (far.away) throw new SignerError('signer-unreachable', 'the signer gave no answer')
    return answer()
  }
  return {
    pubkey: local.pubkey,
    sign: template => later(() => local.sign(template)),
    encrypt: (text, to) => later(() => local.encrypt(text, to)),
    decrypt: (payload, from) => later(() => local.decrypt(payload, from)),
  }
}

test('an agent whose key is elsewhere sends, receives in order, authenticates and answers', async () => {
  await using relay = await startRelay()
  const b = await memoryAgent(bob, relay.url, { host: { signer: farSigner(bob, { away: false }) } })
  b.handle('request', ({ text }) => text.toUpperCase())
  const a = await memoryAgent(alice, relay.url)
  for (const n of [1, 2, 3, 4, 5]) await a.send('bob', `note ${n}`)
  expect((await a.ask('bob', 'louder')).text).toBe('LOUDER')
  await eventually('all arrived', () => b.inbox().length === 6)
  expect(b.inbox().map(({ text }) => text)).toEqual(['note 1', 'note 2', 'note 3', 'note 4', 'note 5', 'louder'])
})

test('a signer that is away loses nothing: mail waits at the relay until it can be opened, unmoved by the cursor', async () => {
  await using relay = await startRelay()
  const far = { away: true }
  const b = await memoryAgent(bob, relay.url, { speed: 20, host: { signer: farSigner(bob, far) } })
  const a = await memoryAgent(alice, relay.url)
  await a.stored(await a.send('bob', 'opened later'))
  await wait(300)
  expect(b.inbox()).toEqual([])
  far.away = false
  await eventually('it is opened', () => b.inbox()[0]?.text === 'opened later')
})

test('an answer that could not be signed is made again, not lost', async () => {
  await using relay = await startRelay()
  const far = { away: false }
  const b = await memoryAgent(bob, relay.url, { speed: 20, host: { signer: farSigner(bob, far) } })
  const a = await memoryAgent(alice, relay.url)
  let runs = 0
  b.handle('request', () => {
    runs += 1
    far.away = runs === 1
    if (far.away) void wait(200).then(() => (far.away = false))
    return `run ${runs}`
  })
  expect((await a.ask('bob', 'once more')).text).toBe('run 2')
  expect(b.inbox()[0]).toMatchObject({ state: 'done', attempts: 1 })
})

test('a signer that never answers does not keep an agent from closing; what could not be told is told next time', async () => {
  await using relay = await startRelay()
  const local = localSigner(bob.secretKey, systemRandom)
  const mute: Signer = { ...local, sign: () => new Promise(() => {}), close: () => new Promise(() => {}) }
  const store = createMemoryMailStore()
  const how = { store, speed: 20, announce: true, presence: true }
  const b = await memoryAgent(bob, relay.url, { ...how, host: { signer: mute } })
  let handled = 0
  b.handle('request', () => {
    handled += 1
    return 'never signed'
  })
  const a = await memoryAgent(alice, relay.url)
  const told = await a.send('bob', 'are you there?')
  const asked = await a.send('bob', 'work', { act: 'request' })
  await eventually('handled', () => handled === 1)
  // Whoever waits for a signature is told, and what was changed is kept.
  const sending = Promise.all([b.send('alice', 'x'), b.ask('alice', 'y')].map(each => each.catch(String)))
  await b.state.set('mood', 'patient')
  const state = { unwritten: 1, unacknowledged: 0 }
  expect(await b.close({ timeoutMs: 200 })).toEqual({ unsent: 0, untold: 2, state })
  for (const end of await sending) expect(end).toMatch(/closed before its signer answered/)

  const again = await memoryAgent(bob, relay.url, { store })
  await eventually('told', () => [told, asked].every(id => a.delivery(id)?.state === 'received'))
  expect(await again.close()).toEqual({ unsent: 0, untold: 0 })
})
