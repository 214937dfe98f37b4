import { andThen, type MaybePromise } from '../identity/signer.ts'

/**
 * Runs steps in the order of the calls, each once its value is there. At once if the value is and nothing waits before it; then
 * what the step throws is thrown here, otherwise the promise rejects. A step that failed does not keep the next from running.
 */
export type InOrder = <T>(value: MaybePromise<T>, step: (value: T) => void) => void | Promise<void>

export function createInOrder(): InOrder {
  let last: Promise<void> | undefined
  return (value, step) => {
    if (last === undefined && !(value instanceof Promise)) return step(value)
    const before = last ?? Promise.resolve()
    const mine = before.then(() => andThen(value, step))
    const quiet = mine
      .catch(() => {})
      .then(() => {
        if (last === quiet) last = undefined
      })
    last = quiet
    return mine
  }
}
