import { bodyFrom } from '../body.ts'
import { NotUnderstoodError, Rejection, SignerError } from '../errors.ts'
import type { StoredMail, WorkResult } from '../mail/store.ts'
import type { Amounts } from '../mail/types.ts'
import type { Conclusion } from './outcome.ts'

const MAX_REASON_CHARS = 500

/** How one try of a handler ended. */
export type Ending =
  | { readonly end: 'value'; readonly value: unknown }
  | { readonly end: 'error'; readonly error: unknown }
  | { readonly end: 'stopped' }

/** What follows from it. Undefined: to be tried again. */
export function concluded(
  ending: Exclude<Ending, { end: 'stopped' }>,
  mail: StoredMail,
  maxAttempts: number,
  used: Amounts | undefined,
): Conclusion | undefined {
  const spent = used ? { spent: used } : {}
  if (ending.end === 'value') {
    const { value } = ending
    return value === undefined ? { kind: 'done', ...spent } : { kind: 'done', answer: bodyFrom(value), ...spent }
  }
  const { error } = ending
  const reason = reasonOf(error)
  if (error instanceof Rejection) return { kind: 'declined', reason, ...spent }
  if (error instanceof NotUnderstoodError && !error.isOwn) return { kind: 'not-understood', reason }
  return mail.attempts >= maxAttempts ? { kind: 'failed', reason, ...spent } : undefined
}

/** By our closing: the attempt does not count. A message without an earlier attempt is as it was before it. */
export const interrupted = ({ attempts }: StoredMail): WorkResult =>
  attempts > 1
    ? { state: 'failed', error: 'interrupted', dueMs: 0, attempts: attempts - 1 }
    : { state: 'new', dueMs: 0, attempts: 0 }

/** About the signer, not about the message: another time it may work. */
export const isPassing = (error: unknown): boolean =>
  error instanceof SignerError && error.code === 'signer-unreachable'

/** What the other side, and the inbox, are told: the message alone, never a stack. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.toWellFormed().slice(0, MAX_REASON_CHARS) || 'no reason given'
}
