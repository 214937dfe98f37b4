import { nip44 } from 'nostr-tools'
import { connect } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { systemRandom } from '#dist/platform/random.js'
import { localSigner } from '#dist/sdk/identity/local-signer.js'
import { nodeHost } from '#dist/sdk/node-host.js'
import { offerConnection } from '#dist/sdk/remote-signer/offer.js'
import { createSession } from '#dist/sdk/remote-signer/session.js'
import { createVainBudget } from '#dist/sdk/remote-signer/vain-budget.js'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { handClock } from '../helpers/hand-clock.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { eventually } from './agents.ts'

const bunker = person('bunker')
const mallory = person('mallory')
const me = person('client of the bunker')
const FLOOD = 300

/** A client key that counts what it opens. */
function counting() {
  const local = localSigner(me.secretKey, systemRandom)
  const opened = { chars: 0, times: 0 }
  const client = {
    ...local,
    pubkey: local.pubkey,
    decrypt(payload: string, from: string) {
      opened.chars += payload.length
      opened.times += 1
      return local.decrypt(payload, from)
    },
  }
  return { client, opened }
}

/** Events for the client, all different, of one sealed text. */
function floodBy(author: Person, text: string, count: number) {
  const content = nip44.encrypt(text, nip44.getConversationKey(author.secretKey, me.pubkey))
  const created_at = nowSeconds()
  return Array.from({ length: count }, (_, n) =>
    author.sign({
      kind: 24_133,
      created_at,
      content,
      tags: [
        ['p', me.pubkey],
        ['n', String(n)],
      ],
    }),
  )
}

const long = JSON.stringify({ id: 'another question', result: 'x'.repeat(20_000) })

test('a signer that floods with answers to no question is opened up to a budget, and the question ends in time', async () => {
  await using relay = await startRelay()
  const { client, opened } = counting()
  const session = createSession({
    host: nodeHost,
    bunker: { pubkey: bunker.pubkey, relays: [relay.url] },
    client,
    timeoutMs: 2_000,
    onAuthUrl: undefined,
  })
  onTestFinished(() => session.close())
  const publisher = await connect(relay.url)
  onTestFinished(() => publisher.close())
  const flood = floodBy(bunker, long, FLOOD)
  let asked = false
  publisher.request([{ kinds: [24_133], '#p': [bunker.pubkey], limit: 0 }], {
    onEvent() {
      if (asked) return
      asked = true
      for (const event of flood) void publisher.publish(event).catch(() => {})
    },
  })
  await expect(session.call('sign_event', ['{}'])).rejects.toMatchObject({ code: 'signer-unreachable' })
  expect(asked).toBe(true)
  expect(opened.times).toBeGreaterThan(0)
  // Far from all of it, 8 MB: the burst, and the rate while it was waited.
  expect(opened.chars).toBeLessThan(4_000_000)
})

test('nothing is opened while nothing is asked', async () => {
  await using relay = await startRelay()
  const { client, opened } = counting()
  const session = createSession({
    host: nodeHost,
    bunker: { pubkey: bunker.pubkey, relays: [relay.url] },
    client,
    timeoutMs: 4_000,
    onAuthUrl: undefined,
  })
  onTestFinished(() => session.close())
  const publisher = await connect(relay.url)
  onTestFinished(() => publisher.close())
  await eventually('listening', () => relay.relay.load.subscriptions > 0)
  for (const event of floodBy(bunker, long, 20)) await publisher.publish(event)
  expect(opened.times).toBe(0)
})

test('strangers who flood an offered connection are opened up to a budget; the signer still gets in', async () => {
  await using relay = await startRelay()
  const { client, opened } = counting()
  const publisher = await connect(relay.url)
  onTestFinished(() => publisher.close())
  const flood = floodBy(mallory, JSON.stringify({ id: 'x', result: 'y'.repeat(500) }), FLOOD)
  const at = await offerConnection({
    host: nodeHost,
    client,
    relays: [relay.url],
    permissions: [],
    timeoutMs: 20_000,
    async onUrl(url) {
      for (const event of flood) await publisher.publish(event).catch(() => {})
      const secret = new URL(url).searchParams.get('secret')
      const answers = floodBy(bunker, JSON.stringify({ id: 'y', result: secret }), 100)
      for (const event of answers) {
        await publisher.publish(event).catch(() => {})
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    },
  })
  expect(at.pubkey).toBe(bunker.pubkey)
  expect(opened.times).toBeLessThan(FLOOD)
})

test('the budget comes back with time', () => {
  const clock = handClock()
  const budget = createVainBudget(clock)
  let spent = 0
  while (budget.mayOpen()) {
    budget.spend(20_000)
    spent += 1
  }
  expect(spent).toBeLessThan(15)
  clock.advance(10_000)
  expect(budget.mayOpen()).toBe(true)
})
