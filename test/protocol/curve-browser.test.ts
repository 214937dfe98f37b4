import { hexToBytes } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { seededRandom } from '#dist/platform/random.js'
import { createBrowserVerifier } from '#dist/platform/verifier-browser.js'
import * as usual from '#dist/protocol/curve.js'
import * as small from '#dist/protocol/curve-browser.js'
import { BIP340_VECTORS } from '../helpers/bip340-vectors.ts'
import { corrupt, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'

const holds = (...args: Parameters<typeof small.verify>) => {
  try {
    return small.verify(...args)
  } catch {
    return false
  }
}

test.each(BIP340_VECTORS)('BIP-340 vector $index: $comment', vector => {
  const [sig, message, pubkey] = [vector.signature, vector.message, vector.publicKey].map(hexToBytes) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  expect(holds(sig, message, pubkey)).toBe(vector.valid)
  if (vector.secretKey === undefined) return
  const secretKey = hexToBytes(vector.secretKey)
  expect(small.publicKey(secretKey)).toEqual(pubkey)
  expect(small.sign(message, secretKey, hexToBytes(vector.auxRand ?? ''))).toEqual(sig)
})

test('what pages sign, derive and share is what everybody else does, errors included', () => {
  expect(Object.keys(small).sort()).toEqual(Object.keys(usual).sort())
  const random = seededRandom(testSeed('curve of pages'))
  for (let n = 0; n < 2; n += 1) {
    const [ours, theirs, message, aux] = [random.bytes(32), random.bytes(32), random.bytes(32), random.bytes(32)]
    expect(small.sign(message, ours, aux)).toEqual(usual.sign(message, ours, aux))
    expect(small.publicKey(ours)).toEqual(usual.publicKey(ours))
    const pubkey = usual.publicKey(theirs)
    expect(small.sharedX(ours, pubkey)).toEqual(usual.sharedX(ours, pubkey))
  }
  const noPoint = hexToBytes('eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34')
  for (const curve of [usual, small]) {
    expect(() => curve.sharedX(new Uint8Array(32).fill(1), noPoint)).toThrow()
    expect(() => curve.sharedX(new Uint8Array(32).fill(1), noPoint.subarray(1))).toThrow()
    for (const bad of [new Uint8Array(32), new Uint8Array(32).fill(255), new Uint8Array(31)]) {
      expect(() => curve.publicKey(bad)).toThrow()
      expect(() => curve.sign(noPoint, bad, noPoint)).toThrow()
    }
  }
})

test('a page that has much to verify goes over to the faster code, and goes on without it where it cannot be fetched', async () => {
  const author = person('page')
  const good = author.sign({ content: 'good' })
  const events = [good, corrupt(good, 'sig'), corrupt(good, 'id'), good]
  const verdicts = [true, false, false, true]
  const loads: ((fails: boolean) => void)[] = []
  const verifier = createBrowserVerifier(
    () =>
      new Promise((resolve, reject) => {
        loads.push(fails => (fails ? reject(new Error('offline')) : resolve({ schnorr: { verify: usual.verify } })))
      }),
  )
  const many = Array.from({ length: 25 }, () => corrupt(good, 'id'))
  expect(await verifier.verify(events)).toEqual(verdicts)
  expect(loads).toHaveLength(0)
  await verifier.verify(many)
  expect(loads).toHaveLength(1)
  loads[0]?.(true)
  expect(await verifier.verify(events)).toEqual(verdicts)
  expect(loads).toHaveLength(1)
  for (let n = 0; n < 40; n += 1) await verifier.verify(many)
  expect(loads).toHaveLength(2)
  loads[1]?.(false)
  expect(await verifier.verify(events)).toEqual(verdicts)
  expect(verifier.library).toBe('@noble/curves')
})
