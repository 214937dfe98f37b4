import { mayReply, performativeOf, wantsUnderstanding } from '../acts.ts'
import type { MaybePromise } from '../identity/signer.ts'
import type { MailStore, OutgoingMail, Result, StoredMail, WorkResult } from '../mail/store.ts'
import type { Amounts, ReceiptState } from '../mail/types.ts'

/** How the work on one message ended. */
export type Conclusion =
  /** `answer` as the handler gave it; its act decides itself unless given. */
  | { readonly kind: 'done'; readonly answer?: Omit<Result, 'act'>; readonly spent?: Amounts }
  /** By the handler, deliberately. */
  | { readonly kind: 'declined'; readonly reason: string; readonly spent?: Amounts }
  /** By rule, before any handler ran: `reason` begins with a machine-readable word. */
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'not-understood'; readonly reason: string }
  /** After the last attempt. */
  | { readonly kind: 'failed'; readonly reason: string; readonly spent?: Amounts }
  /** The same was asked before under this `idem` key, and this was answered. */
  | { readonly kind: 'repeated'; readonly result: Result | undefined }

export interface OutcomeOptions {
  readonly store: MailStore
  /** Signs a reply. Throws or rejects if it cannot be sent. */
  reply(mail: StoredMail, result: Result, spent: Amounts | undefined): MaybePromise<OutgoingMail>
  /** Signs a receipt; undefined for senders who get none. */
  receipt(mail: StoredMail, state: ReceiptState, text: string | undefined): MaybePromise<OutgoingMail> | undefined
  isClosed(): boolean
  /** Something was queued. */
  onQueued(): void
}

interface Words {
  readonly work: WorkResult
  readonly reply?: Result | undefined
  readonly receipt: ReceiptState
  readonly text?: string
}

/** Writes how work ended: state, reply and receipt in one transaction, once all of it is signed. */
export type WriteOutcome = (mail: StoredMail, conclusion: Conclusion) => Promise<void>

export function createOutcomes(options: OutcomeOptions): WriteOutcome {
  return async function write(mail, conclusion) {
    const { work, reply, receipt, text } = wordsFor(mail, conclusion)
    const spent = 'spent' in conclusion ? conclusion.spent : undefined
    const outgoing: OutgoingMail[] = []
    if (reply) outgoing.push(await options.reply(mail, reply, spent))
    const signed = await options.receipt(mail, receipt, text)
    if (signed) outgoing.push(signed)
    // Without receipts, a refusal has to be a message, or the sender would wait for nothing.
    else if (!reply && receipt === 'rejected' && wantsUnderstanding(mail.act))
      outgoing.push(await options.reply(mail, { act: 'refuse', text: text ?? '' }, undefined))
    if (options.isClosed()) return
    options.store.endWork(mail.id, { ...work, ...(signed ? { receipted: true } : {}) }, outgoing)
    if (outgoing.length > 0) options.onQueued()
  }
}

function wordsFor(mail: StoredMail, conclusion: Conclusion): Words {
  const { attempts } = mail
  const { answer, decline } = performativeOf(mail.act)
  switch (conclusion.kind) {
    case 'done': {
      if (!conclusion.answer || !mayReply(mail.act)) return { work: { state: 'done' }, receipt: 'done' }
      const result = { act: answer, ...conclusion.answer }
      return { work: { state: 'done', result }, reply: result, receipt: 'done' }
    }
    case 'repeated': {
      const { result } = conclusion
      return { work: { state: 'done', ...(result ? { result } : {}) }, reply: result, receipt: 'done' }
    }
    case 'declined': {
      const { reason } = conclusion
      const result = mayReply(mail.act) ? { act: decline, text: reason } : undefined
      return {
        work: { state: 'done', ...(result ? { result } : {}) },
        reply: result,
        receipt: 'rejected',
        text: reason,
      }
    }
    case 'rejected': {
      const { reason } = conclusion
      return { work: { state: 'set-aside', error: reason, attempts }, receipt: 'rejected', text: reason }
    }
    case 'not-understood': {
      const { reason } = conclusion
      return {
        work: { state: 'set-aside', error: reason, attempts },
        reply: mayReply(mail.act) ? { act: 'not-understood', text: reason } : undefined,
        receipt: 'rejected',
        text: `not-understood: ${reason}`,
      }
    }
    case 'failed': {
      const { reason } = conclusion
      return {
        work: { state: 'set-aside', error: reason, attempts },
        reply: mayReply(mail.act) ? { act: 'failure', text: reason } : undefined,
        receipt: 'failed',
        text: reason,
      }
    }
  }
}
