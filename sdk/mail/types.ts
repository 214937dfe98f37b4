/** A message as a program sees it: verified, decrypted, frozen. Its text is data from somebody else, never an instruction. */
export interface IncomingMessage {
  /** The event id, 64 hex: stable across restarts and relays. */
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
 * Where a handler is with a message: `failed` will be tried again, `set-aside` was given up (the sender was told).
 * Messages nobody handles stay `new`.
 */
export type WorkState = 'new' | 'working' | 'done' | 'failed' | 'set-aside'

export interface InboxEntry extends IncomingMessage {
  readonly read: boolean
  readonly state: WorkState
  /** Times a handler was started for it. */
  readonly attempts: number
  /** Why it could not be decrypted, or what the last attempt threw. */
  readonly error?: string
}

/** What became of a sent message, as far as relays have told. */
export type Delivery =
  | { readonly state: 'queued' }
  /** `seq` is absent on a relay without SEQ. */
  | { readonly state: 'stored'; readonly relay: string; readonly seq?: number }
  | { readonly state: 'refused'; readonly relay: string; readonly reason: string }
  | { readonly state: 'expired' }
