import type { Clock } from '../platform/clock.ts'
import type { OnHostChange } from '../platform/host-change.ts'
import type { Random } from '../platform/random.ts'
import type { Dial } from '../platform/socket.ts'
import type { Timers } from '../platform/timers.ts'
import type { Verifier } from '../platform/verifier.ts'
import type { Signer } from './identity/signer.ts'
import type { Copy, MailStore } from './mail/store.ts'
import type { Delivery, InboxEntry, IncomingMessage } from './mail/types.ts'

/** Everything an agent needs from its surroundings. */
export interface Host {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly verifier: Verifier
  readonly dial: Dial
  /** Where the host can tell; without it connections are found dead by their silence. */
  readonly onHostChange?: OnHostChange
}

/** Host parts to inject. With `store` and a key (`secretKey` or `signer`) no folder is touched at all. */
export interface AgentHost extends Host {
  readonly store: MailStore
  /** 32 bytes. */
  readonly secretKey: Uint8Array
  /** The key, wherever it is; instead of `secretKey`. */
  readonly signer: Signer
  /** Asked whenever a sender or recipient has to be named. */
  readonly contacts: () => readonly Contact[]
}

export interface Contact {
  readonly name: string
  /** 64 hex. */
  readonly pubkey: string
}

export type Accept = 'contacts' | 'anyone'

export interface OpenAgentOptions {
  /** Profile name on this machine; default `default`. */
  readonly name?: string
  /** The profile's folder itself; overrides the lookup by name. */
  readonly home?: string
  /** Make key and profile at the first start; default true. */
  readonly create?: boolean
  /** Overrides the profile's relays; at most 16. */
  readonly relays?: readonly string[]
  /** Whose messages handlers run for; default `contacts`. */
  readonly accept?: Accept
  /** Publish which relays this agent reads (kinds 10002, 10050), so that others know where mail for it goes; default true. */
  readonly announce?: boolean
  /**
   * Connect to relays on this machine and in private networks too when somebody's relay list names them. Default: only if all of
   * the agent's own relays are there.
   */
  readonly allowPrivate?: boolean
  readonly host?: Partial<AgentHost>
}

export interface HandleOptions {
  /** Messages of this act worked on at once; default 1. */
  readonly concurrency?: number
  /** Time limit of one attempt in ms; default 300,000. */
  readonly timeoutMs?: number
  /** Default 3; then the message is set aside and the sender told. */
  readonly maxAttempts?: number
}

/**
 * A string (or any JSON value) is sent back as `answer`; undefined sends nothing. Throwing means: try again later,
 * and after the last attempt a `failure` with the error's message. May run twice for one id after a crash.
 */
export type Handler = (message: IncomingMessage & { readonly signal: AbortSignal }) => unknown

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
  /** With `wrap`: also for oneself, for other clients of the same key. */
  readonly copy?: boolean
  /** The message this one answers; must be in this agent's mail for the conversation's root to be inherited. */
  readonly replyTo?: string
  /** Seconds from now after which nobody needs it any more. Default: never. */
  readonly deadline?: number
  /** Content type; default `text/plain`. */
  readonly contentType?: string
}

export interface AskOptions {
  /** Default `request`. */
  readonly act?: string
  /** ms, default 30,000. The message outlives it: `replies(id)` still tells an answer that comes later. */
  readonly timeout?: number
  readonly signal?: AbortSignal
  readonly public?: boolean
  readonly wrap?: boolean | 'chat'
}

/** `live`: everything the relay has was received and recorded. `catching-up`: connected, not there yet. */
export type RelayState = 'live' | 'catching-up' | 'offline'

export interface RelayStatus {
  readonly url: string
  readonly state: RelayState
  /** Messages received in the current or last catch-up. */
  readonly received?: number
  /** Recorded position in the relay's log. */
  readonly position?: number
  /** Why it is not live, or takes no mail, as far as known; `auth-required:` and `restricted:` are about the key. */
  readonly error?: string
  /** The relay does not speak SEQ: late or back-dated messages may be missed. */
  readonly mayMiss: boolean
}

export interface AgentStatus {
  readonly relays: readonly RelayStatus[]
  /** Messages not yet stored by a relay. */
  readonly queue: number
  readonly unread: number
  /** Senders of unread messages that are no contacts. */
  readonly unknownSenders: number
}

/** What one relay had to give. Counts are since the previous `sync`, or since the agent was opened. */
export interface RelaySync {
  readonly relay: string
  readonly status: RelayState
  /** Valid events received, duplicates included. */
  readonly received: number
  /** Messages that were not known before. */
  readonly new: number
  /** Bytes received from the relay, UTF-8. */
  readonly bytes: number
  /** Events that failed verification or were not asked for. */
  readonly invalid: number
  /** Log positions at which the relay broke its promise. */
  readonly gaps: number
  /** Gift wraps that held nothing for this agent: made wrongly, or for a key that is not its own. */
  readonly unreadable: number
  readonly mayMiss: boolean
  readonly error?: string
}

/** All relays together; `relays` tells them apart. */
export interface SyncSummary extends Omit<RelaySync, 'relay' | 'error'> {
  /** `offline`: none was reached. `catching-up`: of those that were, one is not there yet. */
  readonly status: RelayState
  /** Everything that the relays which could be reached had is recorded here. False: the time was over first, or there was none. */
  readonly complete: boolean
  /** Duration of this call. */
  readonly ms: number
  /** Relays that could not be reached: `complete` says nothing of them. */
  readonly unreached: number
  readonly relays: readonly RelaySync[]
}

export interface AgentEvents {
  message: IncomingMessage
  status: AgentStatus
  delivery: Delivery & { readonly id: string }
}

export interface Agent {
  readonly name: string
  /** 64 hex. */
  readonly pubkey: string
  readonly npub: string
  /** Works off messages of one act: at least once each, across restarts. */
  handle(act: string, handler: Handler, options?: HandleOptions): void
  /** Sends and waits for the answer. Rejects with RefusedError, FailedError, ExpiredError or TimeoutError, each with the message's `id`. */
  ask(to: string, text: string, options?: AskOptions): Promise<IncomingMessage>
  /** Resolves to the event id once the signed message is in the local outbox. */
  send(to: string, text: string, options?: SendOptions): Promise<string>
  /** Resolves when a relay said OK. Rejects with RefusedError, ExpiredError, or TimeoutError after `timeout` ms (default 30,000; still queued). */
  stored(id: string, options?: { readonly timeout?: number }): Promise<Delivery>
  delivery(id: string): Delivery | undefined
  /** What each relay was given of a sent message, and said to it. */
  copies(id: string): readonly Copy[]
  /** Stored and future replies of the recipient to a message; ends when the agent is closed. */
  replies(id: string): AsyncIterable<IncomingMessage>
  /** Oldest first; with `limit` the newest that many. Consumes nothing. */
  inbox(query?: InboxQuery): InboxEntry[]
  /** By full id or a unique prefix of at least 8 characters; marks it read. */
  read(id: string): InboxEntry | undefined
  /** Resolves when caught up with every relay that can be reached (or it refuses this key), or after `maxMs` (default 30,000). */
  sync(options?: { readonly maxMs?: number }): Promise<SyncSummary>
  status(): AgentStatus
  /** Returns the function that stops listening. */
  on<K extends keyof AgentEvents>(event: K, listener: (value: AgentEvents[K]) => void): () => void
  /** Stops handlers, sends what is queued for at most `timeoutMs` (default 5,000), disconnects. */
  close(options?: { readonly timeoutMs?: number }): Promise<{ readonly unsent: number }>
}

export interface InboxQuery {
  readonly unread?: boolean
  readonly limit?: number
  /** Public key (hex or npub) or contact name. */
  readonly from?: string
}
