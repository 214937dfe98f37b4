import type { Clock } from '../platform/clock.ts'
import type { OnHostChange } from '../platform/host-change.ts'
import type { Random } from '../platform/random.ts'
import type { Dial } from '../platform/socket.ts'
import type { Timers } from '../platform/timers.ts'
import type { Verifier } from '../platform/verifier.ts'
import type { WebGet } from '../platform/web-get.ts'
import type { AgentCards } from './card/types.ts'
import type { Signer } from './identity/signer.ts'
import type { Copy, MailCounts, MailStore } from './mail/store.ts'
import type { Delivery, InboxEntry, IncomingMessage, Mark, Receipt, SentEntry } from './mail/types.ts'
import type {
  Ask,
  Content,
  DeadLetters,
  HandleOptions,
  Handler,
  Rate,
  Requests,
  ScatterOptions,
  ScatterResult,
  SendOptions,
  SubscribeOptions,
  Topic,
  TypedHandler,
} from './messaging.ts'
import type { RemoteSignerOptions } from './remote-signer/index.ts'
import type { Unfinished } from './shutdown.ts'
import type { AgentCounters } from './telemetry/counters.ts'
import type { Telemetry } from './telemetry/telemetry.ts'
import type { TypedAct } from './typed-act.ts'

export type { AskOptions, HandleOptions, Handler, SendOptions } from './messaging.ts'

import type { AgentContacts } from './contacts/index.ts'
import type { StorageError } from './errors.ts'
import type { AgentInvites } from './invites/index.ts'
import type { AgentPresence } from './presence/index.ts'
import type { Shelf } from './shelf.ts'
import type { AgentStates } from './state/agent-state.ts'
import type { Unsent } from './state/owned/types.ts'
import type { StateStore } from './state/store.ts'

/** Everything an agent needs from its surroundings. */
export interface Host {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly verifier: Verifier
  readonly dial: Dial
  /** By what internet names (NIP-05) are looked up; without it none are. */
  readonly get?: WebGet
  /** Where the host can tell; without it connections are found dead by their silence. */
  readonly onHostChange?: OnHostChange
  /** Where spans go. Default: nowhere; in Node to OpenTelemetry, if the program has set it up before. */
  readonly telemetry?: Telemetry
}

/** Host parts to inject. With `store` and a key (`secretKey` or `signer`) no folder is touched at all. */
export interface AgentHost extends Host {
  readonly store: MailStore
  /** 32 bytes. */
  readonly secretKey: Uint8Array
  /** The key, wherever it is; instead of `secretKey`. */
  readonly signer: Signer
  /** Where state is kept; without it, it lasts as long as the agent (and is read again from the relays). */
  readonly state: StateStore
  /** Where contacts, invites and the card are kept; without it they last as long as the agent. */
  readonly shelf: Shelf
  /** Name of this run among the sessions of its key, at most 64 characters; default `main`. */
  readonly session: string
  /** Asked whenever a sender or recipient has to be named. */
  readonly contacts: () => readonly Contact[]
}

export interface Contact {
  readonly name: string
  /** 64 hex. */
  readonly pubkey: string
  /** Where it was said to read mail: used besides the agent's own relays as long as no relay list of it was found. */
  readonly relays?: readonly string[]
  /** The name of its profile on this machine, where the contact list has another one for it: both name it. */
  readonly profile?: string
}

export type Accept = 'contacts' | 'anyone'

export type ReceiptPolicy = 'accepted' | 'contacts' | 'none'

export interface OpenAgentOptions {
  /** Profile name on this machine; default `default`. */
  readonly name?: string
  /** The profile's folder itself; overrides the lookup by name. */
  readonly home?: string
  /**
   * Make key and profile at the first start; default true. `new`, in a page: also where a profile of this name was kept and its storage is
   * gone, which is otherwise ProfileError `profile-lost`.
   */
  readonly create?: boolean | 'new'
  /**
   * Asked when the profile's key is encrypted (NIP-49); a key made at the first start is then encrypted with it. In Node: a browser
   * keeps no key files.
   */
  readonly passphrase?: () => string | Promise<string>
  /**
   * The key stays with a remote signer (NIP-46), connected to at the first start; the home keeps the key that it knows this profile by.
   * Later starts wait for nothing: mail that cannot be opened yet waits. In Node: a page gives `host.signer`.
   */
  readonly signer?: Omit<RemoteSignerOptions, 'clientKey' | 'host'>
  /** Highest scrypt cost (log_n of NIP-49) that the key file may demand; default 18, which takes 256 MiB. */
  readonly maxLogN?: number
  /** Overrides the profile's relays; at most 16. */
  readonly relays?: readonly string[]
  /**
   * Relays where the relay lists and cards of others are looked for besides the agent's own, and its own relay lists are published: never
   * for mail or state. Overrides the profile's; at most 4, none by default.
   */
  readonly discovery?: readonly string[]
  /** Whose messages handlers run for; default `contacts`. */
  readonly accept?: Accept
  /** Publish which relays this agent reads (kinds 10002, 10050), so that others know where mail for it goes; default true. */
  readonly announce?: boolean
  /**
   * Connect to relays on this machine and in private networks too when somebody's relay list names them. Default: only if all of
   * the agent's own relays are there.
   */
  readonly allowPrivate?: boolean
  /**
   * False: do not tell others that this agent is there (status, heartbeat, will, a first card); for programs that only look in.
   * Default true. Others can be watched either way.
   */
  readonly presence?: boolean
  /**
   * Who is told by receipts what becomes of a message: `accepted` (default) those whom handlers run for, `contacts`, or `none`. A
   * receipt tells a stranger that somebody is awake.
   */
  readonly receipts?: ReceiptPolicy
  /** Messages that handlers start for one sender; what is above waits. Default: 60 a minute for strangers, no limit for contacts. */
  readonly rate?: Rate
  /** Longest chain of agents acting on each other's behalf; default 5. */
  readonly maxHops?: number
  /** Ask relays to compress (permessage-deflate): less traffic, more CPU. Default false; browsers ask by themselves. */
  readonly deflate?: boolean
  readonly host?: Partial<AgentHost>
}

/** `live`: everything the relay has was received and recorded. `catching-up`: connected, not there yet. */
export type RelayState = 'live' | 'catching-up' | 'offline'

export interface RelayStatus {
  readonly url: string
  readonly state: RelayState
  /** Messages and receipts received in the current or last catch-up. */
  readonly received?: number
  /** While more than a few hundred are caught up with: what `received` will be in the end, if the relay tells. */
  readonly expected?: number
  /** While catching up for more than a second: how many a second so far. */
  readonly perSecond?: number
  /** Recorded position in the relay's log. */
  readonly position?: number
  /** Why it is not live, or takes no mail, as far as known; `auth-required:` and `restricted:` are about the key. */
  readonly error?: string
  /** It refuses what is dated now, in these words: the clock of this machine is wrong, or its own. What is signed meanwhile goes out once the clock is right. */
  readonly clock?: string
  /** The relay does not speak SEQ: late or back-dated messages may be missed. */
  readonly mayMiss: boolean
  /** Of a relay without SEQ: why it may have mail that it did not give, though it was asked for everything. It is asked again at each catch-up. */
  readonly partial?: string
  /** An event came damaged: what this relay has is still to be compared with the inbox, which may lack some of it. */
  readonly suspect?: boolean
}

/** A relay that is only asked where others are, and told where this agent is. */
export interface DiscoveryStatus {
  readonly url: string
  /** Why the last question came to nothing. Mail does not need it where the relays of a recipient are known. */
  readonly error?: string
}

export interface MailStatus extends MailCounts {
  /** Senders of unread messages that are no contacts. */
  readonly unknownSenders: number
  /** In a page: why nothing is kept any more; see StorageError. */
  readonly storage?: StorageError['code']
}

/** Facts, each from the store or the connection that it is about. `problemsOf` says what is amiss in them. */
export interface AgentStatus extends MailStatus {
  readonly relays: readonly RelayStatus[]
  /** If there are any. */
  readonly discovery?: readonly DiscoveryStatus[]
  /** Changes of state, boards and documents, as far as they were opened in this run, that are not signed, or that fewer relays than wanted have. */
  readonly state: Unsent
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
  /** Why it may have more than it gave; see {@link RelayStatus}. */
  readonly partial?: string
  /** What it has is still to be compared with the inbox; see {@link RelayStatus}. */
  readonly suspect?: boolean
  readonly error?: string
}

/** All relays together; `relays` tells them apart. */
export interface SyncSummary extends Omit<RelaySync, 'relay' | 'error' | 'partial'> {
  /** `offline`: none was reached. `catching-up`: of those that were, one is not there yet. */
  readonly status: RelayState
  /** Everything that the relays which could be reached had is recorded here. False: the time was over first, there was none, or a relay is `partial` or `suspect`. */
  readonly complete: boolean
  /** Duration of this call. */
  readonly ms: number
  /** Relays that could not be reached: `complete` says nothing of them. */
  readonly unreached: number
  readonly relays: readonly RelaySync[]
}

export interface DrainOptions {
  /** ms, default 60,000. */
  readonly timeoutMs?: number
  /**
   * What contacts sent and no handler takes: `refuse` (default) answers `not-understood` at once, as an agent that stays open does after a
   * few seconds; `leave` leaves it to another program.
   */
  readonly unknown?: 'refuse' | 'leave'
  /** Aborting rejects with its reason; what was handled until then stays handled. */
  readonly signal?: AbortSignal
}

/** What `drain` came to; counts are since the drain before, or since the agent was opened. Everything that is not done is still in the store, and goes on while the agent runs or at the next start. */
export interface Drained {
  /** Caught up with every relay, no message left for a handler, and every outcome is at a relay. */
  readonly complete: boolean
  /** Messages whose handler answered, was done, or declined. */
  readonly handled: number
  /** Messages given up, after the last attempt or because the answer cannot be sent: `deadLetters` has them. */
  readonly failed: number
  /** Messages refused by rule (deadline, hops, loops), or that no handler here understands. */
  readonly rejected: number
  /** Messages that wait for a handler, or are with one that has not ended. */
  readonly left: number
  /** When the next failed one of these is tried again, ms since 1970. */
  readonly nextDueMs?: number
  /** Messages, replies and receipts that no relay of their recipient has yet; where none is known, no relay at all. */
  readonly unsent: number
  /** Received messages whose senders were not told so yet, because the key did not sign. */
  readonly untold: number
  /** Messages, replies and receipts that relays refused for good, or that were given up. */
  readonly refused: number
  /** Relays that were not caught up with: what waits there was not handled. */
  readonly notReached: readonly { readonly relay: string; readonly reason: string }[]
  /** Duration of this call. */
  readonly ms: number
}

export interface CloseOptions {
  /** ms, default 5,000; with `drain` 60,000, for both. */
  readonly timeoutMs?: number
  /** First as {@link Agent.drain}; the result then has `drained`. */
  readonly drain?: boolean
}

export interface AgentEvents {
  message: IncomingMessage
  status: AgentStatus
  delivery: Delivery & { readonly id: string }
  /**
   * An ephemeral message for this agent, or to a topic it has subscribed to; as it comes, once, kept nowhere. From contacts alone,
   * unless `accept` is `anyone`; of a sender that sends too many the rest is dropped. Relays are asked for such while somebody listens.
   */
  ephemeral: IncomingMessage
}

export interface Agent extends AgentStates {
  readonly name: string
  /** 64 hex. */
  readonly pubkey: string
  readonly npub: string
  /** What others need to write to this agent (NIP-19): its key, and its public relays, or the others if it has no public ones. */
  readonly nprofile: string
  readonly presence: AgentPresence
  readonly card: AgentCards
  readonly contacts: AgentContacts
  readonly invites: AgentInvites
  /** Works off messages of one act: at least once each, across restarts. */
  handle(act: string, handler: Handler, options?: HandleOptions): void
  /** The same with bodies of known shape; what does not have it is answered `not-understood`. */
  handle<Sent, Received, Returned, Answered>(
    act: TypedAct<Sent, Received, Returned, Answered>,
    handler: TypedHandler<Received, Returned>,
    options?: HandleOptions,
  ): void
  /** Sends and waits for the answer. Rejects with RefusedError, FailedError, ExpiredError or TimeoutError, each with the message's `id`. */
  readonly ask: Ask
  /** Asks many in one conversation; partial results when the time is over. Rejects only if aborted or closed. */
  scatter(to: readonly string[], body: Content, options?: ScatterOptions): Promise<ScatterResult>
  /** Resolves to the event id once the signed message is in the local outbox; with `ephemeral`, once the relays have answered. */
  send(to: string, body: Content, options?: SendOptions): Promise<string>
  /** One message each, in one conversation; all are in the outbox or none is. Returns the ids in order. */
  sendAll(to: readonly string[], body: Content, options?: SendOptions): Promise<readonly string[]>
  /** A topic to publish to, levels separated by `/`. */
  topic(name: string): Topic
  /** Works off what is published to a topic and below it, as `handle` does: to be called at every start, resumed where it was. */
  subscribe(topic: string, handler: Handler, options?: SubscribeOptions): void
  /** Resolves when a relay said OK. Rejects with RefusedError, ExpiredError, or TimeoutError after `timeout` ms (default 30,000; still queued). */
  stored(id: string, options?: { readonly timeout?: number }): Promise<Delivery>
  delivery(id: string): Delivery | undefined
  /** A sent message and all that is known of it, by full id or a unique prefix of at least 8 characters. */
  sent(id: string): SentEntry | undefined
  /** What its recipient has signed about a sent message; the one that counts is the last. */
  receipts(id: string): readonly Receipt[]
  readonly requests: Requests
  readonly deadLetters: DeadLetters
  /** What each relay was given of a sent message, and said to it. */
  copies(id: string): readonly Copy[]
  /** Stored and future replies of the recipient to a message; ends when the agent is closed. */
  replies(id: string): AsyncIterable<IncomingMessage>
  /** Oldest first. Consumes nothing. */
  inbox(query?: InboxQuery): InboxEntry[]
  /** By full id or a unique prefix of at least 8 characters; marks it read. */
  read(id: string): InboxEntry | undefined
  /**
   * Tells what became of a received message where no handler does: sends its sender the receipt, whoever that is, and takes the message
   * off the handlers (`failed` makes it a dead letter). Takes ids as `read` does. Resolves to the receipt's id once it is in the
   * outbox; undefined for posts to topics and NIP-17 messages, which have none. Rejects with MessageError `message-unknown`.
   */
  mark(id: string, mark: Mark, reason?: string): Promise<string | undefined>
  /** Resolves when caught up with every relay that can be reached (or it refuses this key), or after `maxMs` (default 30,000). */
  sync(options?: { readonly maxMs?: number }): Promise<SyncSummary>
  /**
   * For an agent that a scheduler wakes: open, handle, drain, close. Resolves when it is caught up with every relay that can be reached,
   * every message that waits for a handler was handled (retries that fall due in time included), and every outcome (reply, receipt) is at a
   * relay; or after `timeoutMs`. Says what was done and what was not. Rejects with the signal's reason, or with AgentClosedError.
   *
   * @example
   * const agent = await openAgent({ name: 'reviewer' })
   * agent.handle('request', review)
   * const { complete, handled, left, notReached } = await agent.drain({ timeoutMs: 50_000 })
   * await agent.close()
   */
  drain(options?: DrainOptions): Promise<Drained>
  status(): AgentStatus
  /** Counts since it was opened. */
  counters(): AgentCounters
  /** Returns the function that stops listening. */
  on<K extends keyof AgentEvents>(event: K, listener: (value: AgentEvents[K]) => void): () => void
  /** Stops handlers, sends what is queued for at most `timeoutMs` (default 5,000), disconnects; says what had to wait. */
  close(options?: CloseOptions): Promise<Unfinished>
}

export interface InboxQuery {
  readonly unread?: boolean
  /** Only what arrived after this one (its `arrival`). */
  readonly after?: number
  /** The newest that many; with `after` the oldest that many. */
  readonly limit?: number
  /** Public key (hex or npub) or contact name. */
  readonly from?: string
}
