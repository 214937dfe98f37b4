import { nip44 } from 'nostr-tools'
import { expect, test } from 'vitest'
import { conversationKey } from '#dist/sdk/identity/conversation-key.js'
import { alice, bob, carol } from './agents.ts'

test('the key is NIP-44’s: the same from both sides, and as nostr-tools derives it', () => {
  for (const [one, other] of [
    [alice, bob],
    [bob, carol],
    [carol, carol],
  ] as const) {
    const key = conversationKey(one.secretKey, other.pubkey)
    expect(key).toEqual(conversationKey(other.secretKey, one.pubkey))
    expect(key).toEqual(nip44.getConversationKey(one.secretKey, other.pubkey))
  }
})

test('a vector of NIP-44, and no key with what is no point of the curve', () => {
  const secret = new Uint8Array(32)
  secret[31] = 1
  const two = 'c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5'
  expect(Buffer.from(conversationKey(secret, two)).toString('hex')).toBe(
    'c41c775356fd92eadc63ff5a0dc1da211b268cbea22316767095b2871ea1412d',
  )
  expect(() => conversationKey(secret, 'f'.repeat(64))).toThrow()
})
