import type { Part } from './body.ts'
import type { OutgoingMail, Stranger } from './mail/store.ts'
import type { Amounts, InboxEntry, IncomingMessage, Priority } from './mail/types.ts'
import type { Rate } from './rate.ts'
import type { TypedAct } from './typed-act.ts'

export interface HandleOptions {
  /** Messages of this act worked on at once; default 1. */
  readonly concurrency?: number
  /** Time limit of one attempt in ms; default 300,000. */
  readonly timeoutMs?: number
  /** Default 3; then the message is set aside and the sender told. */
  readonly maxAttempts?: number
  /** `refuse` (default): not if this agent itself is in the chain above the message. `allow`: the hop limit alone decides. */
  readonly loops?: 'refuse' | 'allow'
}

/** What a handler gets: the message, and what it may do on its behalf. Children inherit hop, conversation, deadline and budget. */
export interface HandlerMessage extends IncomingMessage {
  /** Aborted when the time limit is over or the agent closes. */
  readonly signal: AbortSignal
  /** As the agent's own `ask`, as a child of this message. */
  readonly ask: Ask
  /** As the agent's own `send`, as a child of this message. */
  readonly send: (to: string, body: Content, options?: SendOptions) => Promise<string>
  /** An additional reply, such as `agree`; the handler's value is the answer itself. */
  readonly reply: (body: Content, options?: { readonly act?: string }) => Promise<string>
  /** Tells the sender that work has begun, by a receipt. */
  readonly working: (note?: string) => Promise<void>
  /** Takes from the message's budget. Throws ChainError `over-budget`. */
  readonly spend: (amounts: Amounts) => void
  /** What is left of the budget; undefined if none was given. */
  readonly remaining: () => Amounts | undefined
}

/**
 * A string, a Body (`json`, `markdown`, `multipart`) or any JSON value (null too) is sent back as the act's answer. Undefined sends no
 * answer: a receipt alone says that it is done. What JSON cannot carry, or is over 32 KiB sealed, fails the message: the sender is told.
 * Throwing means: try again later, and after the last attempt a `failure` with the error's message; throwing a Rejection means
 * a refusal. May run twice for one id after a crash.
 */
export type Handler = (message: HandlerMessage) => unknown

/** A handler of a typed act: `body` has been validated, so will be what it returns. */
export type TypedHandler<Received, Returned> = (
  message: HandlerMessage & { readonly body: Received },
) => Returned | Promise<Returned>

/** Text, a Body, or any other JSON value. */
export type Content = unknown

export interface SendOptions {
  /** Performative; default `inform`. */
  readonly act?: string
  /** Clear text instead of sealed. */
  readonly public?: boolean
  /**
   * Hides the envelope too (NIP-59): sender, act and time are the recipient's alone to see. `chat` makes it a private message that
   * any Nostr client reads (NIP-17), without act and content type. Default: as the message it answers.
   */
  readonly wrap?: boolean | 'chat'
  /**
   * For whoever listens now (`agent.on('ephemeral')`): not kept by relays, inbox or outbox, not sent again, no receipts. Resolves
   * when the relays have answered; `delivery(id)` then says `sent` or `unheard`. Rejects with RefusedError if all refused it.
   */
  readonly ephemeral?: boolean
  /** With `wrap`: also for oneself, for other clients of the same key. */
  readonly copy?: boolean
  /** The message this one answers; must be in this agent's mail for the conversation's root to be inherited. */
  readonly replyTo?: string
  /** Seconds from now after which nobody needs it any more. Default: never. */
  readonly deadline?: number
  /** Content type; default `text/plain`, and what a Body or a JSON value says. */
  readonly contentType?: string
  readonly priority?: Priority
  /** What may be used up for it, by everybody below it. */
  readonly budget?: Amounts
  /** Sent twice with one key to one recipient, it has one effect: nothing is sent again from here, and there nothing is done again. */
  readonly idem?: string
  /** Names the shape of a JSON body. */
  readonly schema?: string
  /** W3C trace context. */
  readonly traceparent?: string
}

export interface AskOptions extends Omit<SendOptions, 'replyTo' | 'copy' | 'ephemeral'> {
  /** ms, default 30,000. The message outlives it: `replies(id)` still tells an answer that comes later. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/**
 * Sends and waits for the answer. Where the other side is done and has no answer, it resolves to a message with act `done`, an empty text and
 * the receipt's id. With a typed act the body is validated before, the answer's `body` after.
 */
export interface Ask {
  <Sent, Received, Returned, Answered>(
    to: string,
    act: TypedAct<Sent, Received, Returned, Answered>,
    body: Sent,
    options?: Omit<AskOptions, 'act' | 'schema' | 'contentType'>,
  ): Promise<IncomingMessage & { readonly body: Answered }>
  (to: string, body: Content, options?: AskOptions): Promise<IncomingMessage>
}

export interface ScatterOptions extends AskOptions {
  /** Resolve as soon as so many have answered; default: all. */
  readonly enough?: number
}

export interface ScatterResult {
  /** The conversation's first message. */
  readonly conversation: string
  /** In the order in which they came. */
  readonly answers: readonly IncomingMessage[]
  /** Who refused, failed or could not be asked: `id` is the message's, if one was sent. */
  readonly failures: readonly { readonly to: string; readonly id?: string; readonly error: Error }[]
  /** Who has said nothing yet; a later answer is in `replies(id)`. */
  readonly silent: readonly { readonly to: string; readonly id: string }[]
}

/** A name under which messages are published to whoever has subscribed. */
export interface Topic {
  readonly name: string
  /** In clear text for everybody, or sealed to `members`. Returns the ids. Ephemeral ones reach subscribers that listen for such. */
  publish(
    body: Content,
    options?: Omit<SendOptions, 'act' | 'wrap' | 'copy' | 'replyTo' | 'public'> & {
      readonly members?: readonly string[]
    },
  ): Promise<readonly string[]>
}

export interface SubscribeOptions extends Pick<HandleOptions, 'timeoutMs' | 'maxAttempts'> {
  /** The first time: everything the relays have kept, too. Default: what came since this agent last caught up. */
  readonly replay?: boolean
}

/** Strangers and what they sent. */
export interface Requests {
  /** Senders that are nobody's contact, with truthful counts. */
  list(): readonly Stranger[]
  /** What is held of one sender, or of all. */
  held(who?: string): readonly InboxEntry[]
  /** From now on as a contact's: what is held moves to the inbox, and handlers run. */
  accept(who: string): void
  /** What is held is removed, and nothing of it is kept from now on. */
  deny(who: string): void
  /** As if nothing had been decided. */
  forget(who: string): void
}

export type DeadLetter =
  | { readonly direction: 'in'; readonly id: string; readonly message: InboxEntry; readonly reason: string }
  | { readonly direction: 'out'; readonly id: string; readonly mail: OutgoingMail; readonly reason: string }

/** Mail that was given up: set aside by this agent, or refused by the relays. */
export interface DeadLetters {
  list(): readonly DeadLetter[]
  /**
   * Tries it again: a received message from its first attempt, a sent one at all its relays, on the open connection. Of a message that
   * some relays have, the copies that others refused are tried again. False if there is nothing to try again.
   */
  retry(id: string): boolean
  /** Gives it up for good. False if there is no such dead letter. */
  drop(id: string): boolean
}

export type { Amounts, Part, Priority, Rate }
