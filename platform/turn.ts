import { systemTimers } from './timers.ts'

/** Resolves in a later turn of the host's event loop: every promise that could go on without the outside has gone on by then. */
export const nextTurn = (): Promise<void> =>
  new Promise(resolve => {
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else systemTimers.after(0, resolve)
  })
