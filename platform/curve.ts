/** BIP-340 verification by one implementation. One per thread: implementations keep scratch memory. */
export interface Curve {
  /** For operators: which library answers. */
  readonly library: string
  /** `sig` 64 bytes, `message` and `pubkey` 32. False for whatever is no valid signature; throws only on other lengths. */
  verify(sig: Uint8Array, message: Uint8Array, pubkey: Uint8Array): boolean
}

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

// BIP-340, test vectors 1 and 5: a good signature, and a public key that is not on the curve.
const PUBKEY = bytes('dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659')
const NO_PUBKEY = bytes('eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34')
const MESSAGE = bytes('243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89')
const SIG = bytes(
  '6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de33418906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a',
)

/**
 * Guards the lengths, which C believes unchecked, and asks what is known before anything is believed: a library of another shape
 * must not decide over signatures. Throws if it errs.
 */
export function createCurve(library: string, verify: Curve['verify']): Curve {
  const curve: Curve = {
    library,
    verify(sig, message, pubkey) {
      if (sig.length !== 64 || message.length !== 32 || pubkey.length !== 32)
        throw new RangeError('a signature has 64 bytes, message and public key 32')
      return verify(sig, message, pubkey)
    },
  }
  const changed = (original: Uint8Array, at: number) => original.map((byte, index) => (index === at ? byte ^ 1 : byte))
  const answers = [
    curve.verify(SIG, MESSAGE, PUBKEY),
    !curve.verify(changed(SIG, 0), MESSAGE, PUBKEY),
    !curve.verify(changed(SIG, 63), MESSAGE, PUBKEY),
    !curve.verify(SIG, changed(MESSAGE, 31), PUBKEY),
    !curve.verify(SIG, MESSAGE, NO_PUBKEY),
    curve.verify(SIG, MESSAGE, PUBKEY),
  ]
  if (answers.includes(false)) throw new Error(`${library} judges known signatures wrongly`)
  return curve
}
