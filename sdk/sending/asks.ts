import type { Timers } from '../../platform/timers.ts'
import { parseReason } from '../../protocol/reasons.ts'
import { isFinalReply } from '../acts.ts'
import { AgentClosedError, ExpiredError, FailedError, RefusedError, TimeoutError } from '../errors.ts'
import type { Outcome } from '../mail/store.ts'
import type { IncomingMessage, Receipt } from '../mail/types.ts'

interface Pending {
  /** Only this key's reply counts. */
  readonly to: string
  resolve(message: IncomingMessage): void
  reject(error: unknown): void
}

/** Questions that a caller is waiting on. A late answer is not lost: it is in the inbox, and in `replies(id)`. */
export interface Asks {
  wait(id: string, to: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<IncomingMessage>
  /** Somebody waits for an answer to this message. */
  isAwaited(id: string | undefined): boolean
  /** Returns true if somebody was waiting for this message. */
  offer(message: IncomingMessage): boolean
  settle(outcome: Outcome): void
  /** The recipient will not answer: it says so by a receipt. */
  receipt(receipt: Receipt): void
  close(): void
}

export function createAsks(timers: Timers): Asks {
  const pending = new Map<string, Pending>()

  return {
    wait(id, to, timeoutMs, signal) {
      return new Promise((resolve, reject) => {
        const end = () => {
          pending.delete(id)
          cancel()
          signal?.removeEventListener('abort', onAbort)
        }
        const fail = (error: unknown) => {
          end()
          reject(error)
        }
        const onAbort = () => fail(signal?.reason)
        const cancel = timers.after(timeoutMs, () => fail(new TimeoutError(id, 'answer', timeoutMs)))
        signal?.addEventListener('abort', onAbort)
        pending.set(id, {
          to,
          resolve(message) {
            end()
            resolve(message)
          },
          reject: fail,
        })
      })
    },
    isAwaited: id => id !== undefined && pending.has(id),
    offer(message) {
      const { replyTo, act } = message
      const ask = replyTo === undefined ? undefined : pending.get(replyTo)
      if (!ask || replyTo === undefined || message.from !== ask.to || !isFinalReply(act)) return false
      if (act === 'refuse') ask.reject(new RefusedError(replyTo, 'recipient', message.text))
      else if (act === 'failure' || act === 'not-understood') ask.reject(new FailedError(replyTo, act, message.text))
      else ask.resolve(message)
      return true
    },
    settle(outcome) {
      if (outcome.state === 'refused' || outcome.state === 'undeliverable')
        pending.get(outcome.id)?.reject(new RefusedError(outcome.id, 'relay', outcome.reason))
      else if (outcome.state === 'expired') pending.get(outcome.id)?.reject(new ExpiredError(outcome.id))
    },
    receipt({ of, from, state, text = '' }) {
      const ask = pending.get(of)
      if (!ask || ask.to !== from) return
      const { prefix, text: issues } = parseReason(text)
      if (state === 'rejected' && prefix === 'not-understood') ask.reject(new FailedError(of, prefix, issues))
      else if (state === 'rejected') ask.reject(new RefusedError(of, 'recipient', text))
      if (state === 'failed') ask.reject(new FailedError(of, 'failure', text))
    },
    close() {
      for (const ask of [...pending.values()]) ask.reject(new AgentClosedError())
    },
  }
}
