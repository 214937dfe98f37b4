import { type Clock, seconds } from '../../platform/clock.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import type { Contact } from '../api.ts'
import type { ContactBook } from '../contacts/book.ts'
import { freeName } from '../contacts/free-name.ts'
import { ContactError } from '../errors.ts'
import type { MaybePromise } from '../identity/signer.ts'
import { loadSeldom } from '../load-seldom.ts'
import type { Mail, MailStore, OutgoingMail, StoredMail } from '../mail/store.ts'
import type { ReceiptState } from '../mail/types.ts'
import { ACCEPT_INVITE } from './act.ts'
import type { InviteLedger } from './ledger.ts'

const TOKEN = /^[0-9a-f]{32,64}$/
/** A key that could not be asked for its signature is asked again after so long. */
const AGAIN_MS = 30_000

export interface InviteDeskOptions {
  readonly store: MailStore
  readonly clock: Clock
  readonly timers: Timers
  readonly ledger: InviteLedger
  readonly book: ContactBook
  /** This agent, by its own name. */
  readonly self: Contact
  contacts(): readonly Contact[]
  /** Who has the right token is a contact now: what waits of theirs comes into the inbox. */
  onAccepted(from: string): void
  /** Undefined if this agent gives no receipts. */
  receipt(mail: StoredMail, state: ReceiptState, text: string | undefined): MaybePromise<OutgoingMail> | undefined
  onQueued(): void
  isClosed(): boolean
}

/** Where accepted invites arrive: also from strangers, also after a long sleep, each answered by a receipt. */
export interface InviteDesk {
  /** Before a message is kept: true if it accepts an open invite. Its sender is a contact from then on, and the token is burnt. */
  admit(mail: Mail): boolean
  /** Answers what was kept. */
  work(): Promise<void>
  close(): void
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string }

const REASONS = {
  used: 'used: this invite has been used up',
  again: 'used: this invite has been accepted before',
  expired: 'expired: this invite was not accepted in time',
  revoked: 'revoked: this invite was taken back',
  unknown: 'unknown: no such invite was given out here, or it ended long ago',
} as const

export function createInviteDesk(options: InviteDeskOptions): InviteDesk {
  const { store, clock, ledger, book, self, contacts } = options
  let working: Promise<void> | undefined
  /** At the start, too: an earlier life may have left something that is due a little later. */
  let lookAgain = true
  let cancel: Cancel = () => {}

  const isContact = (key: string) => contacts().some(({ pubkey }) => pubkey === key)

  /** Does what is due for an open invite; for one that this contact accepted before nothing is left to do. */
  function judge(mail: Mail): Verdict {
    const { from } = mail
    if (from === self.pubkey) return { ok: false, reason: 'own: nobody invites themselves' }
    const { token, name } = bodyOf(mail)
    if (token === undefined) return { ok: false, reason: 'malformed: an acceptance is sealed JSON with a token' }
    const standing = ledger.standing(token, from, seconds(clock))
    if (standing === 'again' && isContact(from)) return { ok: true }
    if (standing !== 'open') return { ok: false, reason: REASONS[standing] }
    try {
      if (!isContact(from)) book.put({ name: freeName(name, from, [...contacts(), self]), pubkey: from })
    } catch (error) {
      if (error instanceof ContactError) return { ok: false, reason: `${error.code}: no contact can be added here` }
      throw error
    }
    // Burnt last: cut off in between, the same message finds its invite open again.
    ledger.use(token, from)
    return { ok: true }
  }

  /** Most starts have none to answer, and load nothing for it. */
  async function answerAll(): Promise<void> {
    if (!store.nextWork({ act: ACCEPT_INVITE, nowMs: clock.now() })) return
    const onLeft = () => {
      lookAgain = true
    }
    const loaded = await loadSeldom().catch(onLeft)
    await loaded?.answerInvites({ ...options, judge, onLeft })
  }

  function work(): Promise<void> {
    working ??= answerAll().finally(() => {
      working = undefined
      if (!lookAgain || options.isClosed()) return
      lookAgain = false
      cancel()
      cancel = options.timers.after(AGAIN_MS + 1_000, () => void work(), { background: true })
    })
    return working
  }

  return {
    admit: mail => mail.act === ACCEPT_INVITE && mail.topic === undefined && judge(mail).ok,
    work,
    close: () => cancel(),
  }
}

function bodyOf({ private: sealed, text }: Mail): { readonly token?: string; readonly name?: string } {
  const body = sealed ? parseJson(text) : undefined
  if (!body?.ok || !isRecord(body.value)) return {}
  const [token, name] = [own(body.value, 'token'), own(body.value, 'name')]
  return {
    ...(typeof token === 'string' && TOKEN.test(token) ? { token } : {}),
    ...(typeof name === 'string' ? { name } : {}),
  }
}
