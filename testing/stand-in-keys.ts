import { sha256 } from '@noble/hashes/sha2.js'
import { type Random, randomHex } from '../platform/random.ts'
import type { Verifier } from '../platform/verifier.ts'
import { eventId, hasValidId, type NostrEvent, parseEvent } from '../protocol/event.ts'
import { bytesToHex } from '../protocol/hex.ts'
import type { LocalSigner } from '../sdk/identity/local-signer.ts'
import { trusted } from '../sdk/identity/signer.ts'

const utf8 = new TextEncoder()
const hashOf = (text: string): string => bytesToHex(sha256(utf8.encode(text)))

/** What nobody could tell from a public key, and anybody can compute. */
export const standInPublicKey = (secretKey: Uint8Array): string => hashOf(`public ${bytesToHex(secretKey)}`)

/** Of no other event and by no other key; the id is a hash already. */
const signatureOf = (id: string, pubkey: string): string => id.slice(32) + pubkey + id.slice(0, 32)

/** Characters that make each sealed text another one, as in NIP-44. */
const NONCE = 16

/**
 * Signs and seals as a key does, a hundred times as fast, and protects nothing: for simulations, in which ids, damaged events and wrong
 * recipients matter and curves do not.
 */
export function standInSigner(secretKey: Uint8Array, random: Random): LocalSigner {
  const pubkey = standInPublicKey(secretKey)
  // Longer than the shortest text that NIP-44 makes, which the SDK checks.
  const sealFor = (other: string) => `sealed ${[pubkey, other].sort().join(' ')} `
  return trusted({
    pubkey,
    sign(template) {
      const id = eventId(pubkey, template)
      const event = parseEvent({ ...template, id, pubkey, sig: signatureOf(id, pubkey) })
      if (!event.ok) throw new TypeError(`cannot sign: ${event.error}`)
      return event.value
    },
    encrypt: (text, to) => sealFor(to) + randomHex(random, NONCE) + text,
    decrypt(payload, from) {
      const seal = sealFor(from)
      if (!payload.startsWith(seal)) throw new Error('sealed for somebody else')
      return payload.slice(seal.length + NONCE)
    },
  })
}

const holds = (event: NostrEvent): boolean => event.sig === signatureOf(event.id, event.pubkey) && hasValidId(event)

/** Believes {@link standInSigner} and nobody else; a changed byte anywhere is found, as it is with real signatures. */
export const standInVerifier: Verifier = {
  tier: 'stand-in',
  verify: async events => events.map(holds),
  close: async () => {},
}
