import type { MailStore, StoredMail } from './mail/store.ts'
import type { InboxEntry } from './mail/types.ts'
import type { Requests } from './messaging.ts'

export interface RequestsOptions {
  readonly store: MailStore
  resolve(to: string): string
  entry(mail: StoredMail): InboxEntry
  /** These are in the inbox now. */
  announce(mails: readonly StoredMail[]): void
  /** Something of this sender may have been dropped before. */
  recover(): void
  /** Handlers may run for more than before. */
  wake(): void
}

/** The request box as a program sees it. */
export function createRequests({ store, resolve, entry, announce, recover, wake }: RequestsOptions): Requests {
  const held = (from?: string) => store.list({ held: true, ...(from === undefined ? {} : { from }) })
  return {
    list: () => store.strangers(),
    held: who => held(who === undefined ? undefined : resolve(who)).map(entry),
    accept(who) {
      const key = resolve(who)
      const moving = held(key).map(({ id }) => id)
      store.judge(key, 'accepted')
      announce(moving.flatMap(id => store.get(id) ?? []))
      wake()
      recover()
    },
    deny: who => store.judge(resolve(who), 'denied'),
    forget: who => store.judge(resolve(who), undefined),
  }
}
