import { signEvent, verifyEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { seededRandom } from '#dist/platform/random.js'
import { createLocalSign } from '#dist/platform/sign-local.js'
import { person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'

test('the same bytes as the reference, before WebAssembly is loaded and after', async () => {
  const { secretKey, pubkey } = person('signing here')
  const random = seededRandom(testSeed('sign local'))
  const reference: string[] = []
  const signed: string[] = []
  const sign = createLocalSign(3)
  for (let n = 0; n < 10; n += 1) {
    const template = { kind: 1, created_at: n, tags: [], content: `text ${n}` }
    const aux = random.bytes(32)
    reference.push(signEvent(template, secretKey, aux, pubkey).sig)
    const event = signEvent(template, secretKey, aux, pubkey, sign)
    expect(verifyEvent(event)).toBe(true)
    signed.push(event.sig)
    // What signing began to load is there once we have loaded it, too.
    if (n === 5) await import('tiny-secp256k1')
  }
  expect(signed).toEqual(reference)
})

test('keys outside the curve are refused either way', async () => {
  const sign = createLocalSign(1)
  const bytes = new Uint8Array(32)
  const refused = (key: Uint8Array) => expect(() => sign(bytes, key, bytes)).toThrow()
  for (let round = 0; round < 2; round += 1) {
    refused(new Uint8Array(32))
    refused(new Uint8Array(32).fill(255))
    refused(new Uint8Array(31))
    await import('tiny-secp256k1')
  }
})
