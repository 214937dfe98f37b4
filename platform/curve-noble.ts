import { schnorr } from '@noble/curves/secp256k1.js'
import { type Curve, createCurve } from './curve.ts'

/** The reference. */
export const loadNobleCurve = (): Curve =>
  createCurve('@noble/curves', (sig, message, pubkey) => schnorr.verify(sig, message, pubkey))
