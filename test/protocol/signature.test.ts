import { schnorr } from '@noble/curves/secp256k1.js'
import {
  bytesToHex,
  type EventTemplate,
  hasValidSignature,
  hexToBytes,
  publicKeyOf,
  signEvent,
} from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { BIP340_VECTORS as VECTORS, type Vector } from '../helpers/bip340-vectors.ts'
import { fastSign, person } from '../helpers/events.ts'

/** The verifier as the product calls it: the id is the message. */
const asEvent = ({ publicKey, message, signature }: Vector) => ({
  id: message,
  pubkey: publicKey,
  sig: signature,
  kind: 1,
  created_at: 0,
  tags: [],
  content: '',
})

describe('BIP-340', () => {
  test.each(VECTORS)('vector $index verifies as $valid: $comment', vector => {
    expect(hasValidSignature(asEvent(vector))).toBe(vector.valid)
  })

  test.each(VECTORS.filter(vector => vector.secretKey !== undefined))('vector $index signs to its literal', vector => {
    const secretKey = hexToBytes(vector.secretKey ?? '')
    expect(publicKeyOf(secretKey)).toBe(vector.publicKey)
    // signEvent signs this way; asserted on the primitive because BIP-340's messages are no event's hash.
    expect(bytesToHex(schnorr.sign(hexToBytes(vector.message), secretKey, hexToBytes(vector.auxRand ?? '')))).toBe(
      vector.signature,
    )
  })

  test('both vector kinds are present', () => {
    expect(VECTORS.filter(vector => vector.valid)).toHaveLength(5)
    expect(VECTORS.filter(vector => !vector.valid)).toHaveLength(10)
  })
})

describe('signEvent', () => {
  test('signs to the same bytes as libsecp256k1, which the other tests sign with', () => {
    for (const content of ['', 'plain', 'é€😀\u0001"\\\u007f\n']) {
      const template = { kind: 1, created_at: 1_700_000_000, tags: [['t', content]], content }
      expect(fastSign(template, alice.pubkey, alice.secretKey)).toEqual(
        signEvent(template, alice.secretKey, new Uint8Array(32)),
      )
    }
  })

  const alice = person('alice')
  const sign = (template: Partial<EventTemplate>) => () =>
    signEvent({ kind: 1, created_at: 5, tags: [], content: '', ...template }, alice.secretKey, new Uint8Array(32))

  test('is deterministic under fixed auxiliary randomness, and differs under another', () => {
    const template: EventTemplate = { kind: 1, created_at: 5, tags: [], content: 'x' }
    const zeros = signEvent(template, alice.secretKey, new Uint8Array(32))
    expect(signEvent(template, alice.secretKey, new Uint8Array(32))).toEqual(zeros)
    const other = signEvent(template, alice.secretKey, new Uint8Array(32).fill(1))
    expect(other.id).toBe(zeros.id)
    expect(other.sig).not.toBe(zeros.sig)
    expect(hasValidSignature(other)).toBe(true)
  })

  test.each([
    ['kind above 65535', { kind: 65_536 }],
    ['kind below 0', { kind: -1 }],
    ['fractional time', { created_at: 1.5 }],
    ['no time', { created_at: Number.NaN }],
    ['a lone surrogate', { content: '\ud800' }],
    ['an empty tag', { tags: [[]] }],
  ])('refuses what no relay would take: %s', (_, template) => {
    expect(sign(template)).toThrow(TypeError)
  })

  test('refuses keys outside the curve', () => {
    const template: EventTemplate = { kind: 1, created_at: 5, tags: [], content: 'x' }
    expect(() => signEvent(template, new Uint8Array(32), new Uint8Array(32))).toThrow()
    expect(() => signEvent(template, new Uint8Array(32).fill(255), new Uint8Array(32))).toThrow()
    expect(() => publicKeyOf(new Uint8Array(31))).toThrow()
  })
})
