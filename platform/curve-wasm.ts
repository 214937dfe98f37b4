import { type Curve, createCurve } from './curve.ts'

/** libsecp256k1 compiled to WebAssembly. Rejects where it cannot be loaded. */
export async function loadWasmCurve(): Promise<Curve> {
  const { verifySchnorr } = await import('tiny-secp256k1')
  return createCurve('tiny-secp256k1', (sig, message, pubkey) => {
    try {
      return verifySchnorr(message, pubkey, sig)
    } catch {
      // It throws at numbers outside the curve's range.
      return false
    }
  })
}
