import { performativeOf } from '../acts.ts'
import { json } from '../body.ts'
import type { MaybePromise } from '../identity/signer.ts'
import type { StoredMail } from '../mail/store.ts'
import { isWithin } from '../mail/topic.ts'
import type { IncomingMessage } from '../mail/types.ts'
import type { Ask, Handler, HandlerMessage, TypedHandler } from '../messaging.ts'
import type { Sender, Under } from '../sending/sender.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { conforming, receivedBody, type TypedAct } from '../typed-act.ts'
import { createAccount } from './chain.ts'
import type { Attempt, Duty } from './worker.ts'

export interface HandlersOptions {
  readonly telemetry: Telemetry
  readonly counters: Counters
  readonly sender: Sender
  view(mail: StoredMail): IncomingMessage
  askUnder(under: Under | undefined): Ask
  /** Queues a receipt that work has begun, if the sender gets receipts. */
  working(mail: StoredMail, note: string | undefined): MaybePromise<void>
}

/** A subscription to a topic. */
export interface Subscription {
  readonly prefix: string
  readonly handler: Handler
}

/** Makes duties for the worker out of a program's handlers. */
export interface Handlers {
  forAct(act: string, handler: Handler): Duty
  forTyped(act: TypedAct<unknown, unknown, unknown, unknown>, handler: TypedHandler<unknown, unknown>): Duty
  /** All subscriptions are one duty: a message is worked on once, by every handler whose topic it is under. */
  forTopics(subscriptions: readonly Subscription[]): Duty
}

export function createHandlers({ sender, view, askUnder, working, telemetry, counters }: HandlersOptions): Handlers {
  function attempt(mail: StoredMail, run: (message: HandlerMessage) => unknown): Attempt {
    const account = createAccount(mail.budget)
    const { act, from, id, traceparent: parent } = mail
    const work = (signal: AbortSignal, traceparent: string | undefined) => {
      const under: Under = { mail, account, traceparent }
      return run(
        Object.freeze({
          ...view(mail),
          signal,
          ask: askUnder(under),
          send: async (to: string, body: unknown, options = {}) =>
            (await sender.post(to, body, { public: !mail.private, ...options }, under)).mail.id,
          reply: async (body: unknown, { act = performativeOf(mail.act).answer } = {}) =>
            (await sender.post(mail.from, body, { act, public: !mail.private, replyTo: mail.id })).mail.id,
          working: async (note?: string) => working(mail, note),
          spend: account.spend,
          remaining: account.remaining,
        }),
      )
    }
    return {
      run: signal =>
        counters.time(act, async () =>
          telemetry.span({ name: 'handle', act, peer: from, id, parent }, async span => work(signal, span.traceparent)),
        ),
      spent: account.spent,
    }
  }

  return {
    forAct: (act, handler) => ({
      name: act,
      query: () => ({ act }),
      attempt: mail => attempt(mail, handler),
    }),
    forTyped: ({ act, schema, in: shapeIn, out: shapeOut }, handler) => ({
      name: `${act} ${schema}`,
      query: () => ({ act, schema }),
      attempt: mail =>
        attempt(mail, async message => {
          const body = await receivedBody(shapeIn, message, `the body of this ${schema}`)
          const returned = await handler(Object.freeze({ ...message, body }))
          await conforming(shapeOut, returned, `what the handler of ${schema} returned`, true)
          return returned === undefined ? undefined : json(returned)
        }),
    }),
    forTopics: subscriptions => ({
      name: 'topics',
      query: () => ({ topics: subscriptions.map(({ prefix }) => prefix) }),
      attempt: mail =>
        attempt(mail, async message => {
          for (const { prefix, handler } of subscriptions) if (isWithin(mail.topic, [prefix])) await handler(message)
        }),
    }),
  }
}
