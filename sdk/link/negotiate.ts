import type { Timers } from '../../platform/timers.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { reason } from '../../protocol/reasons.ts'
import { RelayRefusedError, RelayUnreachableError } from '../errors.ts'
import type { Negotiation } from './client.ts'
import type { Link } from './link.ts'

/** Relays without NIP-77 often say nothing at all to NEG-OPEN. */
const FIRST_ANSWER_MS = 5_000

/** A reconciliation over a link. `losing` holds what is to be called when the connection is lost. */
export function negotiateOn(
  link: Link,
  filter: FilterJson,
  {
    timers,
    timeoutMs,
    losing,
  }: { readonly timers: Timers; readonly timeoutMs: number; readonly losing: Set<() => void> },
): Negotiation {
  const { url } = link
  let session: ReturnType<Link['negotiate']> | undefined
  let failure: Error | undefined
  let waiting: { resolve(message: string): void; reject(error: Error): void } | undefined

  const fail = (error: Error) => {
    failure ??= error
    waiting?.reject(failure)
  }
  const lose = () => fail(new RelayUnreachableError(url, 'the connection was lost'))
  losing.add(lose)

  return {
    async ask(message) {
      if (!link.isOpen) lose()
      if (failure !== undefined) throw failure
      const opened = session !== undefined
      const ms = opened ? timeoutMs : Math.min(timeoutMs, FIRST_ANSWER_MS)
      const cancel = timers.after(ms, () =>
        fail(
          opened
            ? new RelayUnreachableError(url, `no NEG-MSG within ${ms} ms`)
            : new RelayRefusedError(url, reason('unsupported', `no answer to NEG-OPEN within ${ms} ms`)),
        ),
      )
      try {
        return await new Promise<string>((resolve, reject) => {
          waiting = { resolve, reject }
          if (session !== undefined) return session.send(message)
          session = link.negotiate(filter, message, frame => {
            if (frame.type === 'NEG-ERR') fail(new RelayRefusedError(url, frame.message))
            else if (frame.type !== 'NEG-MSG') return
            else if (/^([0-9a-f]{2})+$/.test(frame.message)) waiting?.resolve(frame.message)
            else fail(new RelayRefusedError(url, reason('error', 'its NEG-MSG is no hex')))
          })
        })
      } finally {
        waiting = undefined
        cancel()
      }
    },
    close() {
      losing.delete(lose)
      session?.close()
    },
  }
}
