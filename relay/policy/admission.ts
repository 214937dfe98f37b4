import { type Clock, seconds } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import { type NostrEvent, parseEvent } from '../../protocol/event.ts'
import type { Filter } from '../../protocol/filter.ts'
import { INVITE, MEMBER_LIST, VANISH } from '../../protocol/kinds.ts'
import type { Limits } from '../../protocol/limits.ts'
import { REASONS, reason } from '../../protocol/reasons.ts'
import type { Store } from '../log/store.ts'
import type { AccessLists } from './access-lists.ts'
import { Doorkeeper } from './doorkeeper.ts'
import { Invites } from './invites.ts'
import { Membership, type Verdict } from './membership.ts'
import type {
  ChargePolicy,
  Peer,
  Policy,
  PolicyFactory,
  PolicyTerms,
  ReadPolicy,
  Sender,
  WritePolicy,
} from './policy.ts'
import type { RelayKey } from './relay-key.ts'

export interface AdmissionOptions {
  readonly policy: Policy | PolicyFactory
  readonly owners: readonly string[]
  readonly key: RelayKey
  readonly store: Store
  readonly lists: AccessLists
  readonly limits: Limits
  readonly clock: Clock
  readonly random: Random
  /** Publishes an event of the relay's own; rejects if the log would not have it. */
  readonly publish: (event: NostrEvent) => Promise<void>
  /** Somebody became a member or stopped being one; see {@link Admission.isShutOut}. */
  readonly onMembersChanged: () => void
  readonly onError: (where: string, error: unknown) => void
}

/** All that stands between a stranger and the relay, asked by every path: sockets, wills, negentropy and HTTP alike. */
export interface Admission {
  /** The relay's own public key. */
  readonly self: string
  readonly terms: PolicyTerms
  readonly membership: Membership
  /** Before the upgrade: the reason of a refusal, or undefined. */
  refuseConnection(peer: Peer): string | undefined
  /** Counts a connection in, until it {@link leave}s. */
  enter(peer: Peer): void
  leave(peer: Peer): void
  /** Keeps the address out for a while: it sent forgeries. */
  penalize(peer: Peer): void
  /** Charges an attempt to publish, before it is looked at. */
  readonly charge: ChargePolicy
  readonly refuseWrite: WritePolicy
  readonly refuseRead: ReadPolicy
  /** True for who could read here and cannot any more, no member now or never authenticated: what such a connection has open ends. */
  isShutOut(sender: Sender): boolean
  /**
   * From now on another policy decides; what was counted for rates begins anew. Throws a TypeError for one that this relay cannot keep,
   * and then nothing has changed. `canAuthenticate`: the relay knows its URL.
   */
  replacePolicy(policy: Policy | PolicyFactory, canAuthenticate: boolean): void
  /** Answers a join or leave request (NIP-43) whose signature holds. */
  request(event: NostrEvent): Promise<Verdict>
  /** Answers a REQ for an invite (NIP-43): the reason of a refusal, or the event to send. */
  invite(sender: Sender): Promise<string | NostrEvent>
  /** The same for who has been asked already whether he owns the relay. */
  issueInvite(): Promise<string | NostrEvent>
  /** Publishes the member list if it has changed since it was published last. */
  refreshMembers(): Promise<void>
}

const OWNERS = 'owner'

export const NEEDS_URL = 'the policy demands AUTH, which needs the URL that clients dial; set publicUrls'

export async function createAdmission(options: AdmissionOptions): Promise<Admission> {
  const { key, store, lists, limits, clock, random, publish, onError } = options
  const now = () => seconds(clock)
  const membership = new Membership({
    owners: await ownersOf(store, options.owners),
    lists,
    invites: await Invites.load(store, random, limits.invites),
    key,
    publish,
    onChange: options.onMembersChanged,
    published: () => newestList(store, key.pubkey, now()),
    now,
    onError,
  })
  const made = (given: Policy | PolicyFactory): Policy => {
    const policy =
      typeof given === 'function' ? given({ clock, limits, isMember: pubkey => membership.isMember(pubkey) }) : given
    if (policy.terms?.members === true && membership.members.length === 0)
      throw new TypeError('a relay for members needs an owner who can invite them; name one at its first start')
    return policy
  }
  let policy = made(options.policy)
  let terms = policy.terms ?? {}
  const doors = new Doorkeeper(limits, clock)
  // Nobody else can have authenticated as the relay.
  const isRelay = ({ keys }: Sender) => keys.includes(key.pubkey)
  const issueInvite = async (): Promise<string | NostrEvent> => {
    if (terms.members !== true) return reason('unsupported', 'this relay has no members to invite')
    return (await membership.invite()) ?? reason('rate-limited', `${limits.invites} invites are outstanding`)
  }
  return {
    self: key.pubkey,
    get terms() {
      return terms
    },
    membership,
    refuseConnection: peer =>
      (peer.address !== undefined && lists.isIpBlocked(peer.address)
        ? reason('blocked', 'this address is blocked')
        : undefined) ??
      policy.connect?.(peer) ??
      doors.refuse(peer),
    enter: peer => doors.enter(peer),
    leave: peer => doors.leave(peer),
    penalize: peer => doors.penalize(peer),
    charge: (sender, bytes) => (isRelay(sender) ? undefined : policy.charge?.(sender, bytes)),
    refuseWrite: (event, sender, at) =>
      isRelay(sender) ? undefined : (refuseListed(lists, event, sender) ?? policy.write?.(event, sender, at)),
    refuseRead: (filters, sender) => refuseBanned(lists, sender.keys) ?? policy.read?.(filters, sender),
    isShutOut: ({ keys }) =>
      (terms.authToRead === true && keys.length === 0) ||
      (terms.membersRead === true && !keys.some(pubkey => membership.isMember(pubkey))),
    replacePolicy(given, canAuthenticate) {
      const next = made(given)
      if (next.terms?.needsAuth === true && !canAuthenticate) throw new TypeError(NEEDS_URL)
      policy = next
      terms = next.terms ?? {}
    },
    async request(event) {
      if (terms.members !== true)
        return { accepted: false, message: reason('unsupported', 'this relay has no members to join') }
      try {
        return await membership.request(event)
      } catch (error) {
        onError('members', error)
        return { accepted: false, message: reason('error', 'nothing was changed; try again') }
      }
    },
    async invite({ keys }) {
      if (terms.members !== true) return reason('unsupported', 'this relay has no members to invite')
      if (keys.length === 0) return reason('auth-required', 'invites are for the owners of this relay')
      if (!keys.some(pubkey => membership.isOwner(pubkey)))
        return reason('restricted', 'invites are for the owners of this relay')
      return issueInvite()
    },
    issueInvite,
    refreshMembers: () => (terms.members === true ? membership.refresh() : Promise.resolve()),
  }
}

const refuseBanned = (lists: AccessLists, keys: readonly string[]): string | undefined =>
  keys.some(key => lists.isBanned(key)) ? reason('blocked', 'this key is banned here') : undefined

/** What the operator has banned (NIP-86), whoever hands it in. */
function refuseListed(lists: AccessLists, event: NostrEvent, { keys }: Sender): string | undefined {
  if (lists.isEventBanned(event.id)) return REASONS.banned
  // Whatever the standing of a key, its request to vanish is obeyed (NIP-62).
  if (event.kind === VANISH) return undefined
  if (!lists.kindAllowed(event.kind)) return reason('blocked', `kind ${event.kind} is not kept here`)
  return refuseBanned(lists, [event.pubkey, ...keys])
}

/** A REQ that asks for an invite and for nothing else. */
export const asksForInvite = (filters: readonly Filter[]): boolean =>
  filters.every(({ kinds }) => kinds?.size === 1 && kinds.has(INVITE))

/** Owners named at a start stay owners: they are kept beside the log, so that a later start without them keeps the door open. */
async function ownersOf(store: Store, configured: readonly string[]): Promise<ReadonlySet<string>> {
  const known = (await store.readSettings()).filter(({ section }) => section === OWNERS).map(({ name }) => name)
  const owners = configured.length > 0 ? configured : known
  // Whoever is named now takes the place of those before: a lost key can so be taken away.
  for (const name of known) if (!owners.includes(name)) await store.writeSetting({ section: OWNERS, name, value: null })
  for (const name of owners) if (!known.includes(name)) await store.writeSetting({ section: OWNERS, name, value: '' })
  return new Set(owners)
}

async function newestList(store: Store, self: string, now: number): Promise<NostrEvent | undefined> {
  const filter = { kinds: new Set([MEMBER_LIST]), authors: new Set([self]) }
  const { events } = await store.query({ filters: [{ filter, remaining: 1, capped: false }], keys: [self], now })
  const [json] = events
  const event = json === undefined ? undefined : parseEvent(JSON.parse(json))
  return event?.ok ? event.value : undefined
}
