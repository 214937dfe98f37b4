import type { Clock } from '../../platform/clock.ts'
import { createPace } from '../../platform/pace.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import type { MaybePromise } from '../identity/signer.ts'
import type { ReceiptComposition } from '../mail/compose.ts'
import { MAX_RECEIPTED } from '../mail/receipt.ts'
import type { MailStore, OutgoingMail, ReceiptDue } from '../mail/store.ts'

/** What is received together is receipted together. */
const COALESCE_MS = 250
/** While a relay still gives what was missed more is about to come from the same senders: so often that is waited for. */
const MORE_WAITS = 3
const PAGE = 1_000

export interface ReceiptsOptions {
  readonly store: MailStore
  readonly timers: Timers
  readonly clock: Pick<Clock, 'monotonic'>
  /** A relay is being caught up with. */
  isBusy(): boolean
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

export function createReceiptClerk({ store, timers, clock, isBusy, sign, onQueued }: ReceiptsOptions): ReceiptClerk {
  const pace = createPace(clock.monotonic)
  let cancel: Cancel | undefined
  let flushing: Promise<void> | undefined
  let closed = false

  function plan(): void {
    if (!closed && !cancel && store.receiptsDue(1).length > 0) wait(MORE_WAITS)
  }

  function wait(more: number): void {
    cancel = timers.after(
      COALESCE_MS,
      () => {
        cancel = undefined
        if (more > 0 && isBusy()) wait(more - 1)
        else void flush()
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
        const receipt = await tell(mails)
        if (closed) return
        // Meanwhile a handler may have told more about some of them; to say less after it does no harm.
        store.acknowledge(
          mails.map(({ id }) => id),
          [receipt],
        )
        onQueued()
        // Thousands of senders are thousands of signatures.
        if (!pace.take()) await pace.next()
      }
      if (closed || due.length < PAGE) return
    }
  }

  function tell(mails: Batch): MaybePromise<OutgoingMail> {
    const [{ from: to, private: sealed, wrap }] = mails
    const of = mails.map(({ id }) => id)
    return sign({ to, state: 'received', of, private: sealed, wrapped: wrap !== undefined })
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

type Batch = readonly [ReceiptDue, ...ReceiptDue[]]

function batches(due: readonly ReceiptDue[]): Batch[] {
  return [...byWay(due).values()]
    .flatMap(mails =>
      Array.from({ length: Math.ceil(mails.length / MAX_RECEIPTED) }, (_, n): readonly ReceiptDue[] =>
        mails.slice(n * MAX_RECEIPTED, (n + 1) * MAX_RECEIPTED),
      ),
    )
    .filter(isBatch)
}

const isBatch = (mails: readonly ReceiptDue[]): mails is Batch => mails.length > 0

/** By sender; what came wrapped apart from what did not. */
function byWay(due: readonly ReceiptDue[]): Map<string, ReceiptDue[]> {
  const groups = new Map<string, ReceiptDue[]>()
  for (const mail of due) {
    const key = `${mail.from} ${mail.wrap ?? ''}`
    const group = groups.get(key) ?? []
    groups.set(key, group)
    group.push(mail)
  }
  return groups
}
