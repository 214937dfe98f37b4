import type { MaybePromise } from '../identity/signer.ts'
import type { Received } from '../link/feed.ts'
import { readMessage } from './message.ts'
import type { Sealer } from './seal.ts'
import type { Mail } from './store.ts'

/** Opens a batch of VERIFIED events addressed to us. At once, unless the key is elsewhere; rejects if it cannot be asked. */
export function readMail(events: readonly Received[], relay: string, sealer: Sealer): MaybePromise<Mail[]> {
  const read = events.map(({ event, seq }) =>
    readMessage(event, { relay, ...(seq === undefined ? {} : { seq }) }, sealer),
  )
  return read.some(one => one instanceof Promise) ? Promise.all(read) : (read as Mail[])
}
