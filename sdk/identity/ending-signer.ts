import { SignerError } from '../errors.ts'
import type { MaybePromise, Signer } from './signer.ts'

/** The same signer; what it has not answered when it is closed is rejected then ({@link SignerError}), so that nobody waits for ever. */
export function endingSigner(signer: Signer): Signer & Required<Pick<Signer, 'close'>> {
  const unanswered = new Set<(error: SignerError) => void>()

  function answered<T>(answer: MaybePromise<T>): MaybePromise<T> {
    if (!(answer instanceof Promise)) return answer
    return new Promise((resolve, reject) => {
      unanswered.add(reject)
      const settled = () => unanswered.delete(reject)
      answer.then(resolve, reject).finally(settled)
    })
  }

  return {
    pubkey: signer.pubkey,
    sign: template => answered(signer.sign(template)),
    encrypt: (text, to) => answered(signer.encrypt(text, to)),
    decrypt: (payload, from) => answered(signer.decrypt(payload, from)),
    async close() {
      for (const reject of unanswered)
        reject(new SignerError('signer-unreachable', 'the agent was closed before its signer answered.'))
      unanswered.clear()
      await signer.close?.()
    },
  }
}
