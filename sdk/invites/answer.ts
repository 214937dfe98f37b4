import type { Mail } from '../mail/store.ts'
import { ACCEPT_INVITE } from './act.ts'
import type { InviteDeskOptions, Verdict } from './desk.ts'

/** A key that could not be asked for its signature is asked again after so long. */
const AGAIN_MS = 30_000

export interface AnswerOptions extends InviteDeskOptions {
  judge(mail: Mail): Verdict
  /** Something is due again later. */
  onLeft(): void
}

/** Answers the acceptances that were kept, each by a receipt. */
export async function answerInvites(options: AnswerOptions): Promise<void> {
  const { store, clock, judge, onLeft } = options
  for (;;) {
    const mail = store.nextWork({ act: ACCEPT_INVITE, nowMs: clock.now() })
    if (!mail || options.isClosed()) return
    store.beginWork(mail.id)
    const verdict = judge(mail)
    if (verdict.ok) options.onAccepted(mail.from)
    const due = { state: 'failed', dueMs: clock.now() + AGAIN_MS, attempts: mail.attempts } as const
    try {
      const signed = await (verdict.ok
        ? options.receipt(mail, 'done', undefined)
        : options.receipt(mail, 'rejected', verdict.reason))
      if (options.isClosed()) return
      const ended = verdict.ok ? ({ state: 'done' } as const) : setAside(verdict.reason)
      store.endWork(mail.id, { ...ended, receipted: signed !== undefined }, signed ? [signed] : [])
      if (signed) options.onQueued()
    } catch (error) {
      if (options.isClosed()) return
      onLeft()
      store.endWork(mail.id, { ...due, error: error instanceof Error ? error.message : String(error) })
    }
  }
}

const setAside = (error: string) => ({ state: 'set-aside', error }) as const
