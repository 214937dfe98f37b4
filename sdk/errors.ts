/** Another process (in a browser: another tab) runs this profile. One home has one writer. */
export class HomeInUseError extends Error {
  override readonly name = 'HomeInUseError'
  readonly code = 'home-in-use'
  readonly home: string
  /** `owner`: a process id, or who else has it. */
  constructor(home: string, owner: number | string | undefined, options?: ErrorOptions) {
    const by = typeof owner === 'number' ? `process ${owner}` : owner
    super(
      `the profile ${home} is in use${by === undefined ? '' : ` by ${by}`}; close that agent, or use another profile.`,
      options,
    )
    this.home = home
  }
}

/** This host lacks what an agent needs: storage, or one owner at a time. */
export class UnsupportedHostError extends Error {
  override readonly name = 'UnsupportedHostError'
  readonly code = 'unsupported-host'
}

/** The secret key cannot be used as it lies on the disk. The message never holds key material. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError'
  readonly code:
    | 'key-missing'
    | 'key-too-open'
    | 'key-malformed'
    | 'key-encrypted'
    | 'key-passphrase'
    | 'key-too-costly'
  constructor(code: KeyFileError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The signer that holds the key elsewhere gave no answer, or said no. What it says is untrusted text. */
export class SignerError extends Error {
  override readonly name = 'SignerError'
  readonly code: 'signer-unreachable' | 'signer-refused' | 'signer-malformed'
  constructor(code: SignerError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The list of contacts cannot be read, or cannot take this one. */
export class ContactError extends Error {
  override readonly name = 'ContactError'
  readonly code: 'contact-exists' | 'contacts-full' | 'contacts-malformed'
  constructor(code: ContactError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** An invite that cannot be made or accepted. Nothing was changed. */
export class InviteError extends Error {
  override readonly name = 'InviteError'
  readonly code:
    | 'invite-malformed'
    | 'invite-expired'
    | 'invite-own'
    | 'invite-relay'
    | 'invites-full'
    | 'invites-malformed'
  constructor(code: InviteError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** A card that is none: what is wrong with it. Nothing was published. */
export class CardError extends Error {
  override readonly name = 'CardError'
  readonly code = 'card-malformed'
}

/** State that cannot be written: what is wrong with it. Nothing was changed. */
export class StateError extends Error {
  override readonly name = 'StateError'
  readonly code: 'state-closed' | 'state-too-large' | 'state-malformed' | 'state-stale'
  constructor(code: StateError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * The browser did not store what was written. `storage-gone`: the databases of this profile were deleted while it was open (site data
 * cleared, or evicted); what the agent holds in memory ends with the page. `storage-full`: it is tried again with the next change.
 */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: 'storage-gone' | 'storage-full'
  constructor(code: StorageError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A profile folder is missing, malformed, or cannot be created. */
export class ProfileError extends Error {
  override readonly name = 'ProfileError'
  readonly code:
    | 'profile-missing'
    | 'profile-malformed'
    | 'profile-exists'
    | 'profile-name'
    | 'profile-lost'
    | 'no-home-folder'
  constructor(code: ProfileError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** `to` names nobody we can reach. */
export class UnknownRecipientError extends Error {
  override readonly name = 'UnknownRecipientError'
  readonly code = 'unknown-recipient'
}

/** An internet name (NIP-05) that was not found: its domain does not know it, or was not to be asked. */
export class NameLookupError extends Error {
  override readonly name = 'NameLookupError'
  readonly code: 'name-unknown' | 'name-unreachable'
  constructor(code: NameLookupError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A message that cannot be sent as it is: too large, not well-formed. Nothing was stored. */
export class MessageError extends Error {
  override readonly name = 'MessageError'
  readonly code: 'message-too-large' | 'message-malformed' | 'message-unknown'
  constructor(code: MessageError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** No agent has a message of this id, or several begin with this prefix. */
export class AmbiguousIdError extends Error {
  override readonly name = 'AmbiguousIdError'
  readonly code = 'ambiguous-id'
}

/** The recipient refused, or (`by: 'relay'`) the relay refused to take the message for good. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly code = 'refused'
  readonly id: string
  readonly by: 'recipient' | 'relay'
  constructor(id: string, by: RefusedError['by'], reason: string) {
    super(`${by === 'relay' ? 'the relay' : 'the recipient'} refused message ${id}: ${reason || 'no reason given'}`)
    this.id = id
    this.by = by
  }
}

/** The recipient tried and failed, or did not understand. */
export class FailedError extends Error {
  override readonly name = 'FailedError'
  readonly code = 'failed'
  readonly id: string
  /** The performative of the reply: `failure` or `not-understood`. */
  readonly act: string
  constructor(id: string, act: string, reason: string) {
    super(`message ${id} ${act === 'not-understood' ? 'was not understood' : 'failed'}: ${reason || 'no reason given'}`)
    this.id = id
    this.act = act
  }
}

/** The message's own deadline passed before a relay stored it. */
export class ExpiredError extends Error {
  override readonly name = 'ExpiredError'
  readonly code = 'expired'
  readonly id: string
  constructor(id: string) {
    super(`message ${id} expired before it could be delivered; send it again with a later deadline.`)
    this.id = id
  }
}

/** Nothing came in time. The message itself lives on: see `replies(id)` and `delivery(id)`. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError'
  readonly code = 'timeout'
  readonly id: string
  constructor(id: string, waitedFor: string, ms: number) {
    super(
      `no ${waitedFor} for message ${id} within ${ms} ms; it is not lost: wait longer, or ask for it later by its id.`,
    )
    this.id = id
  }
}

/** No connection to the relay. */
export class RelayUnreachableError extends Error {
  override readonly name = 'RelayUnreachableError'
  readonly code = 'relay-unreachable'
  readonly url: string
  constructor(url: string, reason: string) {
    super(`cannot reach ${url}${reason ? `: ${reason}` : ''}; is the relay running, and the address right?`)
    this.url = url
  }
}

/** The relay ended a query with CLOSED; `reason` is its own text (untrusted). */
export class RelayRefusedError extends Error {
  override readonly name = 'RelayRefusedError'
  readonly code = 'relay-refused'
  readonly reason: string
  constructor(url: string, reason: string) {
    super(`${url} refused: ${reason}`)
    this.reason = reason
  }
}

/** The agent was closed while, or before, something was asked of it. */
export class AgentClosedError extends Error {
  override readonly name = 'AgentClosedError'
  readonly code = 'agent-closed'
  constructor() {
    super('this agent is closed; open it again with openAgent().')
  }
}

/** A body does not have the shape its schema asks for. One that was received is answered `not-understood`. */
export class NotUnderstoodError extends Error {
  override readonly name = 'NotUnderstoodError'
  readonly code = 'not-understood'
  /** One line each, with the path inside the body. */
  readonly issues: readonly string[]
  /** The fault is this agent's own: what its handler returned, or what it was about to send. */
  readonly isOwn: boolean
  constructor(what: string, issues: readonly string[], isOwn: boolean) {
    super(`${what} does not have the agreed shape: ${issues.join('; ') || 'no reason given'}`)
    this.issues = issues
    this.isOwn = isOwn
  }
}

/** To be thrown by a handler that will not do it: the sender gets a refusal and a `rejected` receipt, and nothing is tried again. */
export class Rejection extends Error {
  override readonly name = 'Rejection'
  readonly code = 'rejected'
}

/** Sending would let a chain of agents run on: too many hops, no budget left, or the parent's deadline has passed. */
export class ChainError extends Error {
  override readonly name = 'ChainError'
  readonly code: 'hops' | 'over-budget' | 'expired'
  constructor(code: ChainError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** A peer failed again and again: it is spared for a while. Nothing was sent. */
export class PeerPausedError extends Error {
  override readonly name = 'PeerPausedError'
  readonly code = 'peer-paused'
  /** ms until a message to it is let through as a probe. */
  readonly retryAfterMs: number
  constructor(pubkey: string, retryAfterMs: number) {
    super(`${pubkey} has failed again and again; nothing more is asked of it for ${Math.ceil(retryAfterMs / 1000)} s.`)
    this.retryAfterMs = retryAfterMs
  }
}
