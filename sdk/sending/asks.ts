import { onAbort } from '../../platform/on-abort.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { parseReason } from '../../protocol/reasons.ts'
import { isFinalReply } from '../acts.ts'
import { AgentClosedError, ExpiredError, FailedError, RefusedError, TimeoutError } from '../errors.ts'
import type { Outcome } from '../mail/store.ts'
import type { IncomingMessage, Receipt } from '../mail/types.ts'

/** An answer comes before the receipt that it was done; over two relays, or with another client, a moment later. */
const ANSWER_WAIT_MS = 2_000

interface Pending {
  /** Only this key's reply counts. */
  readonly to: string
  /** It was done, and no answer is there yet. */
  done(receipt: Receipt): void
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
  /** The recipient will not answer, or has nothing to say: it says so by a receipt. */
  receipt(receipt: Receipt): void
  close(): void
}

export function createAsks(timers: Timers): Asks {
  const pending = new Map<string, Pending>()

  return {
    wait(id, to, timeoutMs, signal) {
      return new Promise((resolve, reject) => {
        let cancelDone: Cancel = () => {}
        const end = () => {
          pending.delete(id)
          cancel()
          cancelDone()
          stopListening?.()
        }
        const fail = (error: unknown) => {
          end()
          reject(error)
        }
        const cancel = timers.after(timeoutMs, () => fail(new TimeoutError(id, 'answer', timeoutMs)))
        const stopListening = signal && onAbort(signal, () => fail(signal.reason))
        const answer = (message: IncomingMessage) => {
          end()
          resolve(message)
        }
        pending.set(id, {
          to,
          resolve: answer,
          done(receipt) {
            cancelDone()
            cancelDone = timers.after(ANSWER_WAIT_MS, () => answer(doneWithoutAnswer(receipt)))
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
    receipt(receipt) {
      const { of, from, state, text = '' } = receipt
      const ask = pending.get(of)
      if (!ask || ask.to !== from) return
      const { prefix, text: issues } = parseReason(text)
      if (state === 'rejected' && prefix === 'not-understood') ask.reject(new FailedError(of, prefix, issues))
      else if (state === 'rejected') ask.reject(new RefusedError(of, 'recipient', text))
      if (state === 'failed') ask.reject(new FailedError(of, 'failure', text))
      if (state === 'done') ask.done(receipt)
    },
    close() {
      for (const ask of [...pending.values()]) ask.reject(new AgentClosedError())
    },
  }
}

/** What `ask` resolves to where the handler returned nothing: the receipt, in the form of a message. */
const doneWithoutAnswer = ({ id, of, from, at, text = '', private: sealed }: Receipt): IncomingMessage =>
  Object.freeze({ id, from, act: 'done', text, at, replyTo: of, private: sealed, known: true, relay: '' })
