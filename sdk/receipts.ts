import type { Cancel, Timers } from '../platform/timers.ts'
import type { MaybePromise } from './identity/signer.ts'
import type { ReceiptComposition } from './mail/compose.ts'
import { MAX_RECEIPTED } from './mail/receipt.ts'
import type { MailStore, OutgoingMail, StoredMail } from './mail/store.ts'

/** What is received together is receipted together. */
const COALESCE_MS = 250
const PAGE = 1_000

export interface ReceiptsOptions {
  readonly store: MailStore
  readonly timers: Timers
  sign(composition: ReceiptComposition): MaybePromise<OutgoingMail>
  onQueued(): void
}

/** Tells senders that their messages were received: after these are recorded, many at once, and never twice. */
export interface ReceiptClerk {
  /** Something may be due. */
  plan(): void
  /** Queues everything that is due. */
  flush(): Promise<void>
  close(): void
}

export function createReceiptClerk({ store, timers, sign, onQueued }: ReceiptsOptions): ReceiptClerk {
  let cancel: Cancel | undefined
  let flushing: Promise<void> | undefined
  let closed = false

  function plan(): void {
    if (closed || cancel || store.receiptsDue(1).length === 0) return
    cancel = timers.after(
      COALESCE_MS,
      () => {
        cancel = undefined
        void flush()
      },
      { background: true },
    )
  }

  function flush(): Promise<void> {
    flushing ??= queueAll()
      // The signer is away, or the disk full: what is due stays due, and the next message asks again.
      .catch(() => {})
      .finally(() => {
        flushing = undefined
      })
    return flushing
  }

  async function queueAll(): Promise<void> {
    for (;;) {
      const due = store.receiptsDue(PAGE)
      for (const mails of batches(due)) {
        const [first] = mails
        if (!first) continue
        const of = mails.map(({ id }) => id)
        const wrapped = first.wrap !== undefined
        const receipt = await sign({ to: first.from, state: 'received', of, private: first.private, wrapped })
        if (closed) return
        // Meanwhile a handler may have told more about some of them; to say less after it does no harm.
        store.acknowledge(of, [receipt])
        onQueued()
      }
      if (due.length < PAGE) return
    }
  }

  return {
    plan,
    flush,
    close() {
      closed = true
      cancel?.()
    },
  }
}

function batches(due: readonly StoredMail[]): StoredMail[][] {
  return [...byWay(due).values()].flatMap(mails =>
    Array.from({ length: Math.ceil(mails.length / MAX_RECEIPTED) }, (_, n) =>
      mails.slice(n * MAX_RECEIPTED, (n + 1) * MAX_RECEIPTED),
    ),
  )
}

/** By sender; what came wrapped apart from what did not. */
function byWay(due: readonly StoredMail[]): Map<string, StoredMail[]> {
  const groups = new Map<string, StoredMail[]>()
  for (const mail of due) {
    const key = `${mail.from} ${mail.wrap ?? ''}`
    const group = groups.get(key) ?? []
    groups.set(key, group)
    group.push(mail)
  }
  return groups
}
