import type { Clock } from '../../platform/clock.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { Filter } from '../../protocol/filter.ts'
import type { Limits } from '../../protocol/limits.ts'

/** Where a connection comes from. */
export interface Peer {
  /** Normalised IP address; undefined for transports that have none. */
  readonly address?: string | undefined
  /** From this machine to a relay that is for this machine only: rates and connection limits do not apply. */
  readonly unthrottled: boolean
}

/** Who asks or hands something in, as far as this connection has proved it. */
export interface Sender extends Partial<Peer> {
  /** Keys authenticated on this connection (NIP-42), in the order they came. */
  readonly keys: readonly string[]
}

/**
 * Decides on one event before its signature is checked, so it must not charge anything to the claimed author. `now` in seconds.
 * Returns the reason of a refusal (`prefix: text`), or undefined.
 */
export type WritePolicy = (event: NostrEvent, sender: Sender, now: number) => string | undefined
/** Charges an attempt to publish, well-formed or not. */
export type ChargePolicy = (sender: Sender, bytes: number) => string | undefined
/** Decides on a REQ, COUNT, negentropy session or HTTP read. */
export type ReadPolicy = (filters: readonly Filter[], sender: Sender) => string | undefined
/** Decides on a connection before the upgrade; a refusal is HTTP 403, or 429 for `rate-limited:`. */
export type ConnectPolicy = (peer: Peer) => string | undefined

/** What a policy tells the world of itself (NIP-11 `limitation`); it must be what the functions do. */
export interface PolicyTerms {
  /** Nothing at all can be done here before AUTH. */
  readonly authRequired?: boolean
  /** Something here is refused without AUTH, so AUTH must be possible: the relay has to know its URL. */
  readonly needsAuth?: boolean
  /** There are conditions on writing beyond a valid event. */
  readonly restrictedWrites?: boolean
  /** Leading zero bits that an id must have. */
  readonly minPow?: number
  /** Nobody reads before AUTH. */
  readonly authToRead?: boolean
  /** Only members read: whoever stops being one loses the subscriptions that are open. */
  readonly membersRead?: boolean
  /** Join requests and invites are served (NIP-43). */
  readonly members?: boolean
}

/** Who may connect, write and read, beyond what the protocol itself demands. Every part may be left out. */
export interface Policy {
  /** Charges an attempt to publish so many bytes, before anything else is worked out. Returns the reason of a refusal, or undefined. */
  readonly charge?: ChargePolicy
  readonly connect?: ConnectPolicy
  readonly write?: WritePolicy
  readonly read?: ReadPolicy
  readonly terms?: PolicyTerms
}

/** What a policy may know of the relay it is for. */
export interface PolicyContext {
  readonly clock: Clock
  readonly limits: Limits
  /** Owners, and whoever was allowed in since: by invite or by an administrator. */
  isMember(pubkey: string): boolean
}

export type PolicyFactory = (context: PolicyContext) => Policy

/** Asks one after the other; the first refusal stands. */
export const allOf =
  <Args extends readonly unknown[]>(
    ...policies: readonly (((...args: Args) => string | undefined) | undefined)[]
  ): ((...args: Args) => string | undefined) =>
  (...args) => {
    for (const policy of policies) {
      const refusal = policy?.(...args)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }
