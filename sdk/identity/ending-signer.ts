import { SignerError } from '../errors.ts'
import { isTrusted, type MaybePromise, type Signer } from './signer.ts'

/**
 * The same signer; what it has not answered when it is closed is rejected then ({@link SignerError}), so that nobody waits for ever. Answers
 * of a key that is elsewhere are checked, by what `load` brings (sdk/identity/checked-signer.ts): a page with its own key needs none of it.
 */
export function endingSigner(
  given: Signer,
  load: () => Promise<{ readonly checkedSigner: (signer: Signer) => Signer }>,
): Signer & Required<Pick<Signer, 'close'>> {
  const signer = isTrusted(given) ? given : checkedBy(given, load)
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

function checkedBy(signer: Signer, load: Parameters<typeof endingSigner>[1]): Signer {
  let checking: Promise<Signer> | undefined
  const checked = () => {
    checking ??= load().then(({ checkedSigner }) => checkedSigner(signer))
    checking.catch(() => {
      checking = undefined
    })
    return checking
  }
  return {
    pubkey: signer.pubkey,
    sign: async template => (await checked()).sign(template),
    encrypt: async (text, to) => (await checked()).encrypt(text, to),
    decrypt: async (payload, from) => (await checked()).decrypt(payload, from),
    close: async () => signer.close?.(),
  }
}
