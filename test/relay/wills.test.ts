import type { NostrEvent } from 'posthorn/protocol'
import { createMemoryStore, createRelay } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { manualTime } from './relay-on-test.ts'
import { connect, idsOf, type Wire } from './wire.ts'

const ada = person('ada of the wills')
const mallory = person('mallory of the wills')
const DELAY_MS = 30_000

async function start(options: { data?: string } = {}) {
  const time = manualTime()
  const relay = await createRelay({
    verifier: await sharedVerifier(),
    ...time,
    ...(options.data ? { data: options.data } : { store: createMemoryStore() }),
  })
  onTestFinished(() => relay.close())
  const url = await relay.listen({ port: 0 })
  const authenticate = async (who: Person): Promise<Wire> => {
    const wire = await connect(url)
    const event = who.sign({
      kind: 22_242,
      tags: [
        ['relay', url],
        ['challenge', wire.challenge],
      ],
      created_at: nowSeconds(),
    })
    wire.send('AUTH', event)
    expect((await wire.next()).slice(0, 3)).toEqual(['OK', event.id, true])
    return wire
  }
  const presence = (who: Person, status: string, at = 0, extra: readonly (readonly string[])[] = []): NostrEvent =>
    who.sign({
      kind: 34_706,
      created_at: nowSeconds() + at,
      tags: [['d', 's1'], ['relay', url], ...extra],
      content: status,
    })
  const deposit = async (wire: Wire, will: NostrEvent) => {
    wire.send('WILL', will)
    return wire.next()
  }
  const told = async (): Promise<string[]> => {
    const wire = await connect(url)
    const frames = await wire.request('p', { kinds: [34_706], authors: [ada.pubkey] })
    await wire.close()
    return frames.filter(frame => frame[0] === 'EVENT').map(frame => (frame[2] as NostrEvent).content)
  }
  /** The relay has noticed that a socket is gone. */
  const noticed = () => expect.poll(() => relay.load.connections).toBe(0)
  return { relay, url, time, authenticate, presence, deposit, told, noticed }
}

test('published after the delay when the socket is lost, over the status it follows', async () => {
  const { authenticate, presence, deposit, told, noticed, time } = await start()
  const wire = await authenticate(ada)
  const will = presence(ada, 'lost', 60)
  expect(await deposit(wire, will)).toEqual(['OK', will.id, true, 'will: held'])
  await wire.publish(presence(ada, 'here'))
  wire.socket.terminate()
  await noticed()
  await time.advance(DELAY_MS - 1_000)
  expect(await told()).toEqual(['here'])
  await time.advance(2_000)
  await expect.poll(told).toEqual(['lost'])
})

test('a goodbye of the client (1000) discards it', async () => {
  const { authenticate, presence, deposit, told, noticed, time } = await start()
  const wire = await authenticate(ada)
  await deposit(wire, presence(ada, 'lost', 60))
  wire.socket.close(1000)
  await noticed()
  await time.advance(DELAY_MS * 2)
  expect(await told()).toEqual([])
})

test('null takes it back, a newer one takes its place', async () => {
  const { authenticate, presence, deposit, told, noticed, time } = await start()
  const first = await authenticate(ada)
  await deposit(first, presence(ada, 'old', 60))
  await deposit(first, presence(ada, 'new', 70))
  first.socket.terminate()
  await noticed()
  await time.advance(DELAY_MS + 1_000)
  await expect.poll(told).toEqual(['new'])
  const second = await authenticate(ada)
  await deposit(second, presence(ada, 'never', 90))
  second.send('WILL', null)
  await second.quiet()
  second.socket.terminate()
  await noticed()
  await time.advance(DELAY_MS * 2)
  expect(await told()).toEqual(['new'])
})

test('not published while the session is back, and inherited by it', async () => {
  const { authenticate, presence, deposit, told, noticed, time } = await start()
  const wire = await authenticate(ada)
  await deposit(wire, presence(ada, 'lost', 60))
  wire.socket.terminate()
  await noticed()
  const back = await authenticate(ada)
  await back.publish(presence(ada, 'back'))
  await time.advance(DELAY_MS * 2)
  expect(await told()).toEqual(['back'])
  back.socket.terminate()
  await noticed()
  await time.advance(DELAY_MS + 1_000)
  await expect.poll(told).toEqual(['lost'])
})

test('survives the relay: after a restart the delay begins anew', async () => {
  const data = tempDir()
  const first = await start({ data })
  const wire = await first.authenticate(ada)
  const will = ada.sign({
    kind: 34_706,
    created_at: nowSeconds() + 1,
    tags: [
      ['d', 's1'],
      ['relay', first.url],
    ],
    content: 'lost with the relay',
  })
  await first.deposit(wire, will)
  await first.relay.close()
  // Its URL is the new relay's too, so that the will still names it.
  const time = manualTime()
  const relay = await createRelay({ verifier: await sharedVerifier(), ...time, data, publicUrls: [first.url] })
  onTestFinished(() => relay.close())
  const url = await relay.listen({ port: 0 })
  const stored = async () => {
    const wire = await connect(url)
    const frames = await wire.request('a', { kinds: [34_706] })
    await wire.close()
    return idsOf(frames)
  }
  await time.advance(DELAY_MS - 1_000)
  expect(await stored()).toEqual([])
  await time.advance(2_000)
  await expect.poll(stored).toEqual([will.id])
})

test.each([
  ['nobody authenticated', undefined, {}, 'auth-required:'],
  ['somebody else’s', mallory, {}, 'restricted:'],
  ['another kind', ada, { kind: 1 }, 'invalid:'],
  ['an expiration', ada, { extra: [['expiration', '99999999999']] }, 'invalid:'],
  ['another relay', ada, { relay: 'wss://elsewhere.example' }, 'invalid:'],
  ['too far in the future', ada, { at: 10_000 }, 'invalid:'],
] as const)('refused: %s', async (_, who, wrong, prefix) => {
  const { url, authenticate } = await start()
  const wire = who === undefined ? await connect(url) : await authenticate(who)
  const {
    kind = 34_706,
    extra = [],
    relay = url,
    at = 1,
  } = wrong as {
    kind?: number
    extra?: readonly (readonly string[])[]
    relay?: string
    at?: number
  }
  const will = ada.sign({
    kind,
    created_at: nowSeconds() + at,
    tags: [['d', 's1'], ['relay', relay], ...extra],
    content: 'x',
  })
  wire.send('WILL', will)
  const [type, id, accepted, message] = await wire.next()
  expect([type, id, accepted]).toEqual(['OK', will.id, false])
  expect(message).toMatch(new RegExp(`^${prefix}`))
})

test('a forged one is refused', async () => {
  const { authenticate, presence } = await start()
  const wire = await authenticate(ada)
  const will = presence(ada, 'x', 1)
  const forged = { ...will, sig: presence(ada, 'y', 1).sig }
  wire.send('WILL', forged)
  expect(await wire.next()).toEqual(['OK', will.id, false, expect.stringMatching(/^invalid:/)])
})

test('frames after a WILL take effect after it', async () => {
  const { authenticate, presence } = await start()
  const wire = await authenticate(ada)
  const will = presence(ada, 'x', 1)
  wire.send('WILL', will)
  wire.send('COUNT', 'c', { kinds: [1] })
  expect((await wire.next())[1]).toBe(will.id)
  expect((await wire.next())[0]).toBe('COUNT')
})
