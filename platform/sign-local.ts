import { type SchnorrSign, schnorrSign } from '../protocol/signature.ts'

/** Loading WebAssembly takes as long as so many signatures of the reference. */
const WORTH_LOADING = 8

/**
 * Signs on the calling thread, for clients in Node: with the reference at first, and once there was more to sign than a command
 * has, with WebAssembly, which is ten times as fast and comes to the same bytes. Where that cannot be loaded the reference goes on.
 */
export function createLocalSign(worthLoading = WORTH_LOADING): SchnorrSign {
  let asked = 0
  let sign = schnorrSign
  return (message, secretKey, auxRand) => {
    asked += 1
    // Meanwhile the reference goes on: whoever signs has the answer at once.
    if (asked === worthLoading)
      import('tiny-secp256k1').then(
        loaded => {
          sign = loaded.signSchnorr
        },
        () => {},
      )
    return sign(message, secretKey, auxRand)
  }
}
