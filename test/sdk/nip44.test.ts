import { nip19, nip44 } from 'nostr-tools'
import { seededRandom } from 'posthorn/testing'
import { expect, test } from 'vitest'
import { hmacSha256 } from '#dist/platform/hmac-node.js'
import { conversationKey, decrypt, encrypt } from '#dist/sdk/identity/nip44.js'
import { fromNpub, npubOf } from '#dist/sdk/npub.js'
import { mistyped } from '../helpers/mistyped.ts'
import { testSeed } from '../helpers/seed.ts'
import { alice, bob, carol } from './agents.ts'

const key = conversationKey(alice.secretKey, bob.pubkey)

test('the key is NIP-44’s: the same from both sides, and as nostr-tools derives it', () => {
  for (const [one, other] of [
    [alice, bob],
    [bob, carol],
    [carol, carol],
  ] as const) {
    const shared = conversationKey(one.secretKey, other.pubkey)
    expect(shared).toEqual(conversationKey(other.secretKey, one.pubkey))
    expect(shared).toEqual(nip44.getConversationKey(one.secretKey, other.pubkey))
  }
})

test('a vector of NIP-44, and no key with what is no point of the curve', () => {
  const secret = new Uint8Array(32)
  secret[31] = 1
  const nonce = Uint8Array.from(secret)
  const two = 'c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5'
  const shared = conversationKey(secret, two)
  expect(Buffer.from(shared).toString('hex')).toBe('c41c775356fd92eadc63ff5a0dc1da211b268cbea22316767095b2871ea1412d')
  expect(encrypt('a', shared, nonce)).toBe(
    'AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABee0G5VSK0/9YypIObAtDKfYEAjD35uVkHyB0F4DwrcNaCXlCWZKaArsGrY6M9wnuTMxWfp1RTN9Xga8no+kF5Vsb',
  )
  expect(() => conversationKey(secret, 'f'.repeat(64))).toThrow()
})

test('what one seals the other opens, byte for byte: every padding step, any text', () => {
  const random = seededRandom(testSeed('nip44'))
  const lengths = [1, 2, 31, 32, 33, 63, 64, 65, 95, 96, 97, 255, 256, 257, 320, 321, 511, 512, 513, 1023, 1024, 1025]
  const texts = [...lengths, 4_097, 32_768, 65_535].map(length => 'x'.repeat(length))
  for (const text of [...texts, '€'.repeat(21_845), 'né 🐝 ' + '\u0000', '\ufeffmarked']) {
    const nonce = random.bytes(32)
    const payload = encrypt(text, key, nonce)
    expect(payload === nip44.encrypt(text, key, nonce), `${text.length} characters`).toBe(true)
    expect(decrypt(payload, key) === text).toBe(true)
    // With the host's HMAC.
    expect(encrypt(text, key, nonce, hmacSha256) === payload).toBe(true)
    expect(decrypt(payload, key, hmacSha256) === text).toBe(true)
  }
})

test('anything but a sealed text under this key throws', () => {
  const nonce = seededRandom(1).bytes(32)
  const payload = encrypt('hello', key, nonce)
  const bytes = Buffer.from(payload, 'base64')
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(() => decrypt(changed.toString('base64'), key), `byte ${at}`).toThrow()
    expect(() => decrypt(changed.toString('base64'), key, hmacSha256), `byte ${at}`).toThrow()
  }
  for (const cut of [0, 1, 33, 65, 98, bytes.length - 1])
    expect(() => decrypt(bytes.subarray(0, cut).toString('base64'), key), `${cut} bytes`).toThrow()
  expect(() => decrypt(payload, conversationKey(alice.secretKey, carol.pubkey))).toThrow()
  for (const junk of ['', '#v3', `${payload} `, payload.slice(0, -1), '%%%%'])
    expect(() => decrypt(junk, key)).toThrow()
})

test('limits of the length: 0, 1, 65,535, 65,536', () => {
  const nonce = new Uint8Array(32)
  expect(() => encrypt('', key, nonce)).toThrow(RangeError)
  expect(decrypt(encrypt('x', key, nonce), key)).toBe('x')
  expect(() => encrypt('x'.repeat(65_536), key, nonce)).toThrow(RangeError)
})

test('npub: as nostr-tools writes it, and nothing else is read as one', () => {
  const npub = nip19.npubEncode(alice.pubkey)
  expect([npubOf(alice.pubkey), fromNpub(npub)]).toEqual([npub, alice.pubkey])
  const wrong = [
    npub.slice(0, -1),
    mistyped(npub),
    nip19.noteEncode(alice.pubkey),
    nip19.nsecEncode(alice.secretKey),
    'npub1',
    '',
  ]
  for (const text of wrong) expect(fromNpub(text), text.slice(0, 5)).toBeUndefined()
})
