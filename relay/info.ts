import type { Limits } from '../protocol/limits.ts'
import type { Head } from './log/store.ts'
import { nipsServed } from './nips.ts'
import type { PolicyTerms } from './policy/policy.ts'

/** What an operator may say of the relay (NIP-11). */
export interface RelayIdentity {
  readonly name?: string
  readonly description?: string
  /** Public key of the administrator, 64 hex. */
  readonly pubkey?: string
  readonly contact?: string
  /** URL of a square image. */
  readonly icon?: string
}

/** What follows from how this relay is run. */
export interface RelayConduct {
  /** The relay's own public key (NIP-43). */
  readonly self: string
  readonly terms: PolicyTerms
  /** AUTH is offered: the relay knows its URL. */
  readonly auth: boolean
  /** There are owners, who may manage it over HTTP (NIP-86). */
  readonly owned: boolean
  /** Words can be searched for (NIP-50). */
  readonly search: boolean
  /** Every EOSE carries hints (NIP-67). */
  readonly eoseHints: boolean
}

/** The NIP-11 document. `limitation` names only what is enforced, `seq` is ours (docs/protocol.md, "SEQ"). */
export function relayInfo(
  identity: RelayIdentity,
  limits: Limits,
  head: Head,
  version: string,
  { self, terms, auth, owned, search, eoseHints }: RelayConduct,
): Record<string, unknown> {
  return {
    name: identity.name ?? 'posthorn',
    description: identity.description ?? 'Mail for agents that sleep: signed events, resumable by sequence number.',
    ...(identity.pubkey === undefined ? {} : { pubkey: identity.pubkey }),
    ...(identity.contact === undefined ? {} : { contact: identity.contact }),
    ...(identity.icon ? { icon: identity.icon } : {}),
    self,
    supported_nips: nipsServed({
      always: true,
      search,
      auth,
      owners: auth && owned,
      pow: (terms.minPow ?? 0) > 0,
      members: terms.members === true,
      'eose-hints': eoseHints,
    }),
    version,
    limitation: {
      max_message_length: limits.frameBytes,
      max_subscriptions: limits.subscriptions,
      max_filters: limits.filters,
      max_limit: limits.page,
      default_limit: limits.page,
      max_subid_length: limits.subscriptionIdChars,
      max_event_tags: limits.tags,
      max_content_length: limits.contentBytes,
      min_pow_difficulty: terms.minPow ?? 0,
      auth_required: terms.authRequired ?? false,
      payment_required: false,
      restricted_writes: terms.restrictedWrites ?? false,
      ...(limits.createdAtPast === Number.MAX_SAFE_INTEGER ? {} : { created_at_lower_limit: limits.createdAtPast }),
      created_at_upper_limit: limits.createdAtFuture,
    },
    // What `limitation` has no word for.
    limits: {
      max_filter_values: limits.filterValues,
      max_event_length: limits.eventBytes,
      max_connections_per_address: limits.connectionsPerAddress,
    },
    seq: { version: 1, epoch: head.epoch, last: head.last },
  }
}
