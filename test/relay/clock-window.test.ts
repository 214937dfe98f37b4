import { defaultLimits, type NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import type { Verifier } from '#dist/platform/verifier.js'
import { refuseAuth } from '#dist/relay/auth.js'
import { HttpAuth } from '#dist/relay/http/nip98.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { handClock } from '../helpers/hand-clock.ts'

// How far a client's clock may be off, to the second: the conformance tests ask over real connections, where seconds pass.
const alice = person('alice')
const now = nowSeconds()

test('AUTH: ten minutes either way', () => {
  const terms = { challenge: 'c', urls: new Set(['ws://relay.test']), now }
  const refusalAt = (created_at: number) => {
    const tags = [
      ['relay', 'ws://relay.test'],
      ['challenge', 'c'],
    ]
    return refuseAuth(alice.sign({ kind: 22_242, created_at, tags }), terms)?.split(':')[0]
  }
  expect([-601, -600, 0, 600, 601].map(off => refusalAt(now + off))).toEqual([
    'invalid',
    undefined,
    undefined,
    undefined,
    'invalid',
  ])
})

test('HTTP tokens: a minute either way', async () => {
  const verifier: Verifier = { tier: 'noble', verify: async events => events.map(() => true), close: async () => {} }
  const auth = new HttpAuth({
    verifier,
    urls: new Set(['wss://relay.test']),
    now: () => now,
    clock: handClock(),
    limits: defaultLimits,
  })
  const token = (event: NostrEvent) => `Nostr ${Buffer.from(JSON.stringify(event)).toString('base64')}`
  const isTaken = async (created_at: number) => {
    const tags = [
      ['u', 'https://relay.test/sync'],
      ['method', 'GET'],
    ]
    const authorization = token(alice.sign({ kind: 27_235, created_at, tags }))
    const peer = { address: '203.0.113.7', unthrottled: true }
    const asked = { authorization, method: 'GET', target: '/sync', body: new Uint8Array(), peer }
    return (await auth.verify(asked)).ok
  }
  const taken = [-61, -60, 0, 60, 61].map(off => isTaken(now + off))
  expect(await Promise.all(taken)).toEqual([false, true, true, true, false])
})
