import { type Clock, seconds } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import { type EventTemplate, encodeEvent, type NostrEvent, parseEventText } from '../../protocol/event.ts'
import { GIFT_WRAP } from '../../protocol/kinds.ts'
import { isAhead } from '../../protocol/reasons.ts'
import { ALIAS } from './alias.ts'
import type { MailStore, OutgoingMail } from './store.ts'
import { DATED_BACK, wrapSeal } from './wrap.ts'

/** Dated further from now than this, it was signed while the clock was wrong. Seconds. */
const OFF_S = 60
/** So is a wrap that is dated further back than wraps are. */
const WRAP_OFF_S = DATED_BACK + OFF_S

export interface Redating {
  readonly store: MailStore
  readonly clock: Clock
  readonly random: Random
  /** The own key, 64 hex. */
  readonly pubkey: string
  sign(template: EventTemplate): NostrEvent | Promise<NostrEvent>
}

/** The same mail with the right date; `wait`: the clock here or the relay's is still wrong, or the key away; `final`: it cannot be signed again, or need not. */
export type Redated = OutgoingMail | 'wait' | 'final'

const eventOf = (text: string): NostrEvent | undefined => {
  const event = parseEventText(text)
  return event.ok ? event.value : undefined
}

/**
 * What a relay refused for its date, signed again by the right clock. The outbox knows it by its old id, under which the program knows
 * it; what is said of the new one is found by `idOf`. A wrap is made anew around its seal: its key was used once.
 */
export function createRedate({
  store,
  clock,
  random,
  pubkey,
  sign,
}: Redating): (mail: OutgoingMail, message: string) => Promise<Redated> {
  const running = new Map<string, Promise<Redated>>()

  async function redate({ id }: OutgoingMail, message: string): Promise<Redated> {
    const mail = store.sent(id)
    const event = mail && eventOf(mail.event)
    if (!event) return 'final'
    const ahead = event.created_at - seconds(clock)
    const seal = event.kind === GIFT_WRAP ? eventOf(mail.seal ?? '') : undefined
    // Not ahead of our clock: the relay's is behind, and a later date would be further ahead of it.
    if (ahead <= OFF_S && (ahead >= -(seal ? WRAP_OFF_S : OFF_S) || isAhead(message))) return 'wait'
    // Where one relay has taken it, another one under another id would be a second message.
    if (store.copies(id).some(({ state }) => state === 'stored')) return 'final'
    if (!seal && event.pubkey !== pubkey) return 'final'
    const { kind, tags, content } = event
    const again = seal
      ? wrapSeal(seal, mail.to, { clock, random }, { expires: mail.expires })
      : await sign({ kind, tags, content, created_at: seconds(clock) })
    const text = encodeEvent(again)
    // Before it is used: what comes back about it must be understood. Of a wrap only what is inside is ever spoken of.
    if (!seal) store.keepRelayNote(ALIAS + again.id, { text: id, askedMs: clock.now() })
    return store.redate(id, text) ? { ...mail, event: text } : 'final'
  }

  return (mail, message) => {
    const known = running.get(mail.id)
    if (known) return known
    const started = redate(mail, message)
      .catch((): Redated => 'wait')
      .finally(() => running.delete(mail.id))
    running.set(mail.id, started)
    return started
  }
}
