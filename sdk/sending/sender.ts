import { type Clock, seconds } from '../../platform/clock.ts'
import { isFitting, isInitiating } from '../acts.ts'
import { bodyFrom } from '../body.ts'
import { MessageError } from '../errors.ts'
import type { MaybePromise } from '../identity/signer.ts'
import { type Compose, type Composition, compositionOf } from '../mail/compose.ts'
import { checkTopic } from '../mail/envelope.ts'
import type { MailStore, OutgoingMail, Result, StoredMail } from '../mail/store.ts'
import type { Amounts } from '../mail/types.ts'
import type { Content, SendOptions } from '../messaging.ts'
import { type Account, inherit } from '../work/chain.ts'
import type { Breaker } from './breaker.ts'

/** The message on whose behalf something is sent. */
export interface Under {
  readonly mail: StoredMail
  readonly account: Account
  /** W3C trace context of the work on it. */
  readonly traceparent?: string | undefined
}

export interface SenderOptions {
  readonly store: MailStore
  readonly clock: Clock
  readonly compose: Compose
  readonly breaker: Breaker
  readonly pubkey: string
  readonly maxHops: number
  /** Something is waited for with internet names alone. Throws UnknownRecipientError, rejects with NameLookupError. */
  resolve(to: string): MaybePromise<string>
  /** Throws AgentClosedError. */
  ensureOpen(): void
  onQueued(mail: OutgoingMail): void
  /** Tells it now, without keeping it. Resolves when the relays have answered. */
  express(mails: readonly OutgoingMail[]): Promise<void>
}

/** A message in the outbox. `granted`: the budget it took with it. */
export interface Posted {
  readonly mail: OutgoingMail
  readonly granted: Amounts | undefined
}

/** Turns what a program says into signed mail in the outbox: with its place in a chain, or not at all. */
export interface Sender {
  post(to: string, body: Content, send: SendOptions, under?: Under, conversation?: string): Promise<Posted>
  /** One conversation, one transaction. */
  postAll(to: readonly string[], body: Content, send: SendOptions): Promise<readonly OutgoingMail[]>
  /** To a topic: one message for everybody, or one for each member. */
  publish(
    topic: string,
    body: Content,
    send: SendOptions,
    members: readonly string[] | undefined,
  ): Promise<readonly OutgoingMail[]>
  /** A handler's answer, signed but not queued. */
  reply(mail: StoredMail, result: Result, spent: Amounts | undefined): MaybePromise<OutgoingMail>
}

type Signed = readonly [OutgoingMail, ...OutgoingMail[]]

export function createSender(options: SenderOptions): Sender {
  const { store, clock, compose, breaker, maxHops } = options

  function compositionFor(to: string, body: Content, send: SendOptions, under: Under | undefined): Composition {
    const { text, contentType } = bodyFrom(body)
    const act = send.act ?? 'inform'
    const answered = send.replyTo === undefined ? undefined : store.get(send.replyTo)
    if (answered && !isFitting(answered.act, act))
      throw new MessageError('message-malformed', `${act} does not answer a ${answered.act}; send it without replyTo.`)
    const parent = under?.mail ?? answered
    const how = contentType !== undefined && send.contentType === undefined ? { ...send, contentType } : send
    const composition = compositionOf(
      to,
      text,
      under?.mail.wrap === 'chat' ? { wrap: true, ...how } : how,
      parent,
      clock,
    )
    if (!parent) return composition
    const { hop, expires } = inherit(
      parent,
      { act, expires: composition.expires },
      { seconds: seconds(clock), maxHops },
    )
    return { ...composition, expires, envelope: { ...composition.envelope, hop } }
  }

  async function signed(composition: Composition): Promise<Signed> {
    return compose(composition)
  }

  /** Each once, in that order. */
  const resolveAll = async (to: readonly string[]) => [...new Set(await Promise.all(to.map(options.resolve)))]

  function guard(to: string, act: string | undefined): void {
    if (act !== undefined && isInitiating(act)) breaker.pass(to)
  }

  /** All are in the outbox when this returns a promise, or none. Ephemeral ones never are. */
  async function keepOrTell(mails: readonly OutgoingMail[], { ephemeral }: SendOptions): Promise<void> {
    options.ensureOpen()
    if (ephemeral) return options.express(mails)
    store.acknowledge([], mails)
    for (const mail of mails) options.onQueued(mail)
  }

  return {
    async post(to, body, send, under, conversation) {
      options.ensureOpen()
      const found = options.resolve(to)
      const recipient = typeof found === 'string' ? found : await found
      const before = send.idem === undefined ? undefined : store.sentAs(recipient, send.idem)
      const known = before === undefined ? undefined : store.sent(before)
      if (known) return { mail: known, granted: undefined }
      guard(recipient, send.act)
      const granted = under && isInitiating(send.act ?? 'inform') ? under.account.grant(send.budget) : send.budget
      try {
        const composition = compositionFor(recipient, body, granted ? { ...send, budget: granted } : send, under)
        // Two sends in one turn go out in that order: with the key at hand nothing is waited for.
        const composed = compose(conversation === undefined ? composition : { ...composition, conversation })
        const [mail, ...copies] = composed instanceof Promise ? await composed : composed
        await keepOrTell([mail, ...copies], send)
        return { mail, granted }
      } catch (error) {
        if (under && granted)
          under.account.settle(granted, Object.fromEntries(Object.keys(granted).map(unit => [unit, 0])))
        throw error
      }
    },
    async postAll(to, body, send) {
      options.ensureOpen()
      const recipients = await resolveAll(to)
      for (const recipient of recipients) guard(recipient, send.act)
      const mails: OutgoingMail[] = []
      const all: OutgoingMail[] = []
      for (const recipient of recipients) {
        const conversation = mails[0]?.id
        const composition = compositionFor(recipient, body, send, undefined)
        const [mail, ...copies] = await signed(
          conversation === undefined ? composition : { ...composition, conversation },
        )
        mails.push(mail)
        all.push(mail, ...copies)
      }
      await keepOrTell(all, send)
      return mails
    },
    async publish(topic, body, send, members) {
      options.ensureOpen()
      checkTopic(topic)
      const recipients = members ? await resolveAll(members) : [options.pubkey]
      const mails: OutgoingMail[] = []
      for (const recipient of recipients) {
        const composition = compositionFor(recipient, body, { ...send, act: 'publish', public: !members }, undefined)
        const [mail] = await signed({
          ...composition,
          isPost: !members,
          envelope: { ...composition.envelope, topic },
          wrap: undefined,
        })
        mails.push(mail)
      }
      await keepOrTell(mails, send)
      return mails
    },
    reply(mail, { act, text, contentType }, spent) {
      const how = {
        act,
        public: !mail.private,
        ...(contentType === undefined ? {} : { contentType }),
        ...(mail.traceparent === undefined ? {} : { traceparent: mail.traceparent }),
      }
      const composition = compositionOf(mail.from, text, how, mail, clock)
      const composed = compose(spent ? { ...composition, envelope: { ...composition.envelope, spent } } : composition)
      return composed instanceof Promise ? composed.then(([reply]) => reply) : composed[0]
    },
  }
}
