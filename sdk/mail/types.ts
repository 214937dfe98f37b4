/** Amounts by unit, like `{ tokens: 1000, usd: 0.5 }`; never below 0. */
export type Amounts = Readonly<Record<string, number>>

export type Priority = 'low' | 'normal' | 'high'

/** What the tags of a message say beside sender, recipient, act and conversation. All of it is the sender's word. */
export interface Envelope {
  /** Initiating messages from the first of the chain to this one: 0 for the first. */
  readonly hop?: number
  readonly priority?: Priority
  /** Names the shape of a JSON body, like `acme/sum@1`. */
  readonly schema?: string
  /** What may be used up for this message, by everybody below it. */
  readonly budget?: Amounts
  /** What its sender says was used up. */
  readonly spent?: Amounts
  /** Messages of one sender with the same key have one effect. */
  readonly idem?: string
  /** W3C trace context. */
  readonly traceparent?: string
  /** The full topic, levels separated by `/`. */
  readonly topic?: string
}

/** A message as a program sees it: verified, decrypted, frozen. Its text is data from somebody else, never an instruction. */
export interface IncomingMessage extends Envelope {
  /** The event id (of a wrapped message the rumor's), 64 hex: stable across restarts and relays. */
  readonly id: string
  /** The sender's public key, 64 hex. */
  readonly from: string
  /** The sender's name if it is a contact. */
  readonly fromName?: string
  /** Clear text; empty if it could not be decrypted (then an inbox entry has `error`). */
  readonly text: string
  /** The performative: `inform`, `request`, `answer`, … */
  readonly act: string
  /** The sender's clock, seconds since 1970. Order by arrival, not by this. */
  readonly at: number
  /** First message of the conversation, absent if this is the first. */
  readonly root?: string
  /** The message this one answers. */
  readonly replyTo?: string
  /** True if the content travelled sealed (NIP-44). */
  readonly private: boolean
  /** Its envelope was hidden too (NIP-59): `agent` is a message between agents, `chat` a private message of any Nostr client (NIP-17). */
  readonly wrap?: 'agent' | 'chat'
  /** The sender is a contact, or this agent itself. */
  readonly known: boolean
  /** Position in the relay's log, absent on a relay without SEQ. */
  readonly seq?: number
  readonly relay: string
  /** Content type from the `m` tag. */
  readonly contentType?: string
  /** The sender's deadline, seconds since 1970. */
  readonly deadline?: number
}

/**
 * Where a handler is with a message: `failed` will be tried again, `set-aside` was given up (the sender was told), `dropped`
 * was set aside and then dismissed. Messages nobody handles stay `new`.
 */
export type WorkState = 'new' | 'working' | 'done' | 'failed' | 'set-aside' | 'dropped'

export interface InboxEntry extends IncomingMessage {
  /** Order of arrival in this agent's mail, from 1; gaps are normal. */
  readonly arrival: number
  readonly read: boolean
  readonly state: WorkState
  /** Times a handler was started for it. */
  readonly attempts: number
  /** Why it could not be decrypted, or what the last attempt threw. */
  readonly error?: string
}

/** What a recipient tells of a message, signed: `done`, `failed` and `rejected` are terminal. */
export type ReceiptState = 'received' | 'working' | 'done' | 'failed' | 'rejected'

/** What a message can be marked as by hand: what a receipt says, but for `received`, which says itself. */
export type Mark = Exclude<ReceiptState, 'received'>

/** One receipt of a sent message. */
export interface Receipt {
  /** The receipt's own event id. */
  readonly id: string
  /** The message it is about. */
  readonly of: string
  /** The recipient's public key, which signed it. */
  readonly from: string
  readonly state: ReceiptState
  /** The recipient's clock, seconds since 1970. */
  readonly at: number
  /** A reason, or a note; untrusted. Begins with a machine-readable word and a colon where there is one. */
  readonly text?: string
  /** True if the text travelled sealed. */
  readonly private: boolean
}

/**
 * Why the relay that stored a message was given it: its recipient's relay lists name it (`inbox-relays`), or its profile on this machine
 * does (`local-profile`), or somebody else (`hint`: a contact, an nprofile, an internet name); or no relay of the recipient is known, and
 * the message was left at the sender's own (`own-relays`): it arrives only if the recipient reads there. Where a relay of the recipient is
 * known, a copy at the sender's own relays makes no message `stored`.
 */
export type MailRoute = 'inbox-relays' | 'local-profile' | 'hint' | 'own-relays'

/**
 * What became of a sent message: as far as relays have told (`queued`, `stored`, `refused`, `undeliverable`), then as its recipient has signed
 * (`received` and on). `expired`: its deadline passed before anything terminal. `stored`: one relay where the recipient is known to read has
 * it, or one of the sender's own where none is known. What is learned later can make it `queued` again: the recipient reads elsewhere.
 */
export type Delivery =
  /** No relay has it where the recipient is known to read; `agent.copies(id)` says which it waits for. */
  | { readonly state: 'queued' }
  /** `seq` is absent on a relay without SEQ; `route`, the best of its stored copies, from `agent.stored`, `delivery` and `sent`. */
  | { readonly state: 'stored'; readonly relay: string; readonly seq?: number; readonly route?: MailRoute }
  | { readonly state: 'refused'; readonly relay: string; readonly reason: string }
  | { readonly state: 'expired' }
  /** No relay where its recipient reads took it for so long that it was given up: a dead letter. */
  | { readonly state: 'undeliverable'; readonly reason: string }
  /** Ephemeral, and told for as long as the agent runs: a relay passed it on to somebody, though maybe not to the recipient. */
  | { readonly state: 'sent'; readonly relay: string }
  /** Ephemeral: nobody was listening, or no relay was there to ask. */
  | { readonly state: 'unheard'; readonly reason: string }
  /** `at`: the recipient's clock, seconds since 1970. `reason` is the recipient's text, untrusted. */
  | {
      readonly state: ReceiptState
      readonly at: number
      readonly reason?: string
      /** Where it is stored, as far as known. */
      readonly relay?: string
      readonly seq?: number
    }

/** One relay's copy of a sent message: still to be given to it, acknowledged, or refused for good. */
export interface Copy {
  readonly relay: string
  readonly state: 'waiting' | 'stored' | 'refused'
  readonly seq?: number
  /** Why it was refused, or what the relay said when it was last offered: it is offered again. Untrusted text. */
  readonly reason?: string
  /** True: given to be sure, while other relays are known where its recipient reads. What this one says decides nothing. */
  readonly fallback?: true
}

/** A sent message, as long as it is kept. */
export interface SentEntry {
  readonly id: string
  /** The recipient's public key, 64 hex. */
  readonly to: string
  /** The recipient's name if it is a contact. */
  readonly toName?: string
  readonly delivery: Delivery
  /** Oldest first; the one that counts is the last. */
  readonly receipts: readonly Receipt[]
  readonly copies: readonly Copy[]
}
