import type { ReceiptPolicy } from '../api.ts'
import type { MaybePromise } from '../identity/signer.ts'
import type { ComposeReceipt, ReceiptComposition } from '../mail/compose.ts'
import type { OutgoingMail, StoredMail } from '../mail/store.ts'
import type { ReceiptState } from '../mail/types.ts'

export interface ReceiptingOptions {
  readonly receipts?: ReceiptPolicy | undefined
  readonly signer: { readonly pubkey: string }
  readonly compose: ComposeReceipt
  /** Handlers run for this key. */
  isAccepted(key: string): boolean
  isContact(key: string): boolean
}

/** Who gets receipts, and how they are made. */
export interface Receipting {
  may(from: string): boolean
  /** Undefined if the sender of this message gets none. */
  one(mail: StoredMail, state: ReceiptState, text: string | undefined): MaybePromise<OutgoingMail> | undefined
  /** What every sender of this message is told, stranger or not; undefined if this agent gives no receipts. */
  answer(mail: StoredMail, state: ReceiptState, text: string | undefined): MaybePromise<OutgoingMail> | undefined
  received(composition: ReceiptComposition): MaybePromise<OutgoingMail>
}

export function createReceipting({ receipts = 'accepted', signer, compose, ...who }: ReceiptingOptions): Receipting {
  function may(from: string): boolean {
    if (from === signer.pubkey || receipts === 'none') return false
    return receipts === 'contacts' ? who.isContact(from) : who.isAccepted(from)
  }

  function about({ from, id, wrap, private: sealed }: StoredMail, state: ReceiptState, text: string | undefined) {
    return compose({ to: from, state, of: [id], text, private: sealed, wrapped: wrap !== undefined })
  }

  return {
    may,
    // Posts to a topic are addressed to nobody, and clients of NIP-17 know no receipts.
    one: (mail, state, text) =>
      mail.topic !== undefined || mail.wrap === 'chat' || !may(mail.from) ? undefined : about(mail, state, text),
    answer: (mail, state, text) => (receipts === 'none' ? undefined : about(mail, state, text)),
    received: compose,
  }
}
