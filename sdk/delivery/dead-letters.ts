import type { MailStore, OutgoingMail, StoredMail } from '../mail/store.ts'
import type { InboxEntry } from '../mail/types.ts'
import type { DeadLetter, DeadLetters } from '../messaging.ts'

export interface DeadLettersOptions {
  readonly store: MailStore
  entry(mail: StoredMail): InboxEntry
  /** Something may be worked on. */
  wake(): void
  /** It is queued again. */
  again(mail: OutgoingMail): void
}

/** What was given up, both ways. */
export function createDeadLetters({ store, entry, wake, again }: DeadLettersOptions): DeadLetters {
  return {
    list() {
      const incoming = store.list({ state: 'set-aside' }).map((mail): DeadLetter => {
        const message = entry(mail)
        return Object.freeze({ direction: 'in', id: mail.id, message, reason: mail.error ?? 'no reason known' })
      })
      const outgoing = store.refused().map((mail): DeadLetter => {
        const delivery = store.delivery(mail.id)
        const reason =
          delivery?.state === 'refused' || delivery?.state === 'undeliverable' ? delivery.reason : 'no reason known'
        return Object.freeze({ direction: 'out', id: mail.id, mail: Object.freeze(mail), reason })
      })
      return [...incoming, ...outgoing]
    },
    retry(id) {
      if (store.retry(id)) {
        wake()
        return true
      }
      const mail = store.sent(id)
      const queued = store.requeue(id)
      if (queued && mail) again(mail)
      return queued
    },
    drop: id => store.dismiss(id) || store.forget(id),
  }
}
