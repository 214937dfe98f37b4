import { MessageError } from '../errors.ts'
import { andThen, type MaybePromise } from '../identity/signer.ts'
import type { ComposeReceipt } from '../mail/compose.ts'
import type { MailStore, OutgoingMail, StoredMail } from '../mail/store.ts'
import type { Mark } from '../mail/types.ts'
import { findOne } from '../mail/view.ts'

export interface MarkingOptions {
  readonly store: MailStore
  readonly compose: ComposeReceipt
  onQueued(): void
}

/** Marks a message by hand, as a handler's outcome would. Returns the receipt's id, if there is one. */
export type Marking = (id: string, mark: Mark, reason?: string) => MaybePromise<string | undefined>

export function createMarking({ store, compose, onQueued }: MarkingOptions): Marking {
  function write(mail: StoredMail, mark: Mark, reason: string | undefined, receipt: OutgoingMail | undefined): void {
    const outgoing = receipt ? [receipt] : []
    if (mark === 'working') store.acknowledge([mail.id], outgoing)
    else
      store.endWork(
        mail.id,
        {
          state: mark === 'failed' ? 'set-aside' : 'done',
          receipted: true,
          ...(mark === 'failed' ? { error: reason || 'marked as failed' } : {}),
        },
        outgoing,
      )
    if (receipt) onQueued()
  }

  return (id, mark, reason) => {
    const mail = findOne(store, id)
    if (!mail)
      throw new MessageError('message-unknown', `no message here begins with ${id}; the inbox lists what is here.`)
    // A post to a topic is addressed to nobody, and clients of NIP-17 know no receipts: it is marked here alone.
    if (mail.topic !== undefined || mail.wrap === 'chat') {
      write(mail, mark, reason, undefined)
      return undefined
    }
    const { from: to, wrap } = mail
    const receipt = { to, state: mark, of: [mail.id], text: reason, private: mail.private, wrapped: wrap !== undefined }
    return andThen(compose(receipt), signed => {
      write(mail, mark, reason, signed)
      return signed.id
    })
  }
}
