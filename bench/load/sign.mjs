// Keys and signatures for the load, all made before the clock starts.
import { createHash } from 'node:crypto'
import { encodeEvent, eventId, publicKeyOf } from 'posthorn/protocol'

const NO_AUX = new Uint8Array(32)

/** A key pair that is the same in every run. */
export function keyOf(name) {
  const secretKey = new Uint8Array(createHash('sha256').update(`posthorn bench key ${name}`).digest())
  return { secretKey, pubkey: publicKeyOf(secretKey) }
}

/** Resolves to `sign(template, key)`, which returns the event as canonical JSON. Loaded late: who only needs keys needs no WASM. */
export async function loadSigner() {
  const { signSchnorr } = await import('tiny-secp256k1')
  return (template, { secretKey, pubkey }) => {
    const id = eventId(pubkey, template)
    const sig = Buffer.from(signSchnorr(Buffer.from(id, 'hex'), secretKey, NO_AUX)).toString('hex')
    return encodeEvent({ ...template, id, pubkey, sig })
  }
}
