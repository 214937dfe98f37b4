import { encode, type NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { corrupt, nowSeconds, type Person } from '../helpers/events.ts'
import type { RunningRelay } from '../helpers/start-relay.ts'
import { manualTime } from '../relay/relay-on-test.ts'
import { connectRaw, type RawClient } from './raw-client.ts'
import { ATTACKER, from, HOME, HONEST, honestTraffic, mallory, publicRelay, victim } from './scene.ts'

const DELAY_MS = 30_000
const presence = (who: Person, content: string, at = 0): NostrEvent =>
  who.sign({
    kind: 34_706,
    created_at: nowSeconds() + at,
    tags: [
      ['d', 's1'],
      ['relay', HOME],
    ],
    content,
  })

async function deposit(client: RawClient, will: NostrEvent) {
  client.send(encode.will(will))
  return (await client.next('OK')).slice(2)
}

/** The statuses of the victim that anybody is served now. */
async function told(relay: RunningRelay): Promise<unknown[]> {
  const reader = await connectRaw(relay.url, from(HONEST))
  reader.send(encode.req('p', { kinds: [34_706], authors: [victim.pubkey] }))
  const contents: unknown[] = []
  for (;;) {
    const [type, , event] = await reader.next('EVENT', 'EOSE')
    if (type === 'EOSE') break
    contents.push((event as NostrEvent).content)
  }
  reader.destroy()
  return contents
}

async function known(relay: RunningRelay, who: Person, address: string): Promise<RawClient> {
  const client = await connectRaw(relay.url, from(address))
  expect((await client.authenticate(who, HOME))[2]).toBe(true)
  return client
}

test('wills of others are not deposited, taken back, replaced or kept from speaking', async () => {
  const time = manualTime()
  await using relay = await publicRelay(time)
  const check = await honestTraffic(relay)
  await check()
  const owner = await known(relay, victim, HONEST)
  const will = presence(victim, 'lost', 60)
  expect(await deposit(owner, will)).toEqual([true, 'will: held'])

  const stranger = await connectRaw(relay.url, from(ATTACKER))
  expect(await deposit(stranger, will)).toEqual([false, 'auth-required: a will is deposited by its author'])
  const attacker = await known(relay, mallory, ATTACKER)
  // A copy of the real one, and a newer one that is forged.
  expect(await deposit(attacker, will)).toEqual([false, 'restricted: a will is deposited by its author'])
  const forged = corrupt(presence(victim, 'all is well', 120), 'sig')
  expect(await deposit(attacker, forged)).toEqual([false, 'restricted: a will is deposited by its author'])
  // The same session under the attacker's own key is another will; taking it back takes back nothing else.
  expect(await deposit(attacker, presence(mallory, 'mine', 60))).toEqual([true, 'will: held'])
  attacker.send(encode.will(null))
  attacker.send(encode.will(null))
  // Nobody is told of a will before it speaks.
  attacker.send(encode.req('ids', { ids: [will.id] }))
  expect((await attacker.next('EVENT', 'EOSE'))[0]).toBe('EOSE')
  attacker.send(encode.countReq('count', { authors: [victim.pubkey] }))
  expect((await attacker.next('COUNT'))[2]).toEqual({ count: 0 })

  // Somebody who hands in the victim's presence again is not the victim who is back.
  const status = presence(victim, 'here')
  owner.send(encode.publish(status))
  expect((await owner.next('OK'))[2]).toBe(true)
  owner.destroy()
  await expect.poll(() => relay.relay.load.connections).toBe(4)
  attacker.send(encode.publish(status))
  expect((await attacker.next('OK'))[3]).toMatch(/^duplicate:/)
  await time.advance(DELAY_MS)
  await expect.poll(() => told(relay)).toEqual(['lost'])
  await check()
})

test('a connection that is cut while its will is being stored leaves a will like any other, and no place is taken for good', async () => {
  const time = manualTime()
  await using relay = await publicRelay({ ...time, limits: { wills: 1 } })
  const owner = await known(relay, victim, HONEST)
  owner.send(encode.will(presence(victim, 'lost', 60)))
  owner.destroy()
  await expect.poll(() => relay.relay.load.connections).toBe(0)
  // The delay begins when it is stored, which may be after the loss.
  const later = async () => {
    await time.advance(DELAY_MS)
    return told(relay)
  }
  await expect.poll(later).toEqual(['lost'])
  const next = await known(relay, mallory, HONEST)
  await expect.poll(() => deposit(next, presence(mallory, 'mine', 60))).toEqual([true, 'will: held'])
})

test('the last presence of a connection that is cut before its OK does not pass for a session that is back', async () => {
  const time = manualTime()
  await using relay = await publicRelay(time)
  const owner = await known(relay, victim, HONEST)
  expect(await deposit(owner, presence(victim, 'lost', 60))).toEqual([true, 'will: held'])
  owner.send(encode.publish(presence(victim, 'here')))
  owner.destroy()
  await expect.poll(() => relay.relay.load.connections).toBe(0)
  await expect.poll(() => told(relay)).toEqual(['here'])
  await time.advance(DELAY_MS)
  await expect.poll(() => told(relay)).toEqual(['lost'])
})
