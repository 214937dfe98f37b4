import type { ReceiptPolicy } from './api.ts'
import type { MaybePromise } from './identity/signer.ts'
import type { ComposeReceipt, ReceiptComposition } from './mail/compose.ts'
import type { OutgoingMail, StoredMail } from './mail/store.ts'
import type { ReceiptState } from './mail/types.ts'

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
  received(composition: ReceiptComposition): MaybePromise<OutgoingMail>
}

export function createReceipting({ receipts = 'accepted', signer, compose, ...who }: ReceiptingOptions): Receipting {
  function may(from: string): boolean {
    if (from === signer.pubkey || receipts === 'none') return false
    return receipts === 'contacts' ? who.isContact(from) : who.isAccepted(from)
  }

  return {
    may,
    one(mail, state, text) {
      // Posts to a topic are addressed to nobody, and clients of NIP-17 know no receipts.
      if (mail.topic !== undefined || mail.wrap === 'chat' || !may(mail.from)) return undefined
      const { from, id, wrap } = mail
      return compose({ to: from, state, of: [id], text, private: mail.private, wrapped: wrap !== undefined })
    },
    received: compose,
  }
}
