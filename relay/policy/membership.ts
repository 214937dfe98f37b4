import { type EventTemplate, type NostrEvent, type Tag, tagValue } from '../../protocol/event.ts'
import { INVITE, JOIN_REQUEST, LEAVE_REQUEST, MEMBER_ADDED, MEMBER_LIST, MEMBER_REMOVED } from '../../protocol/kinds.ts'
import { reason } from '../../protocol/reasons.ts'
import type { AccessLists } from './access-lists.ts'
import type { Invites } from './invites.ts'
import type { RelayKey } from './relay-key.ts'

/** A request is about now (NIP-43: plus or minus a few minutes). */
const WINDOW_S = 300

export interface MembershipOptions {
  /** Keys that are members by configuration and may ask for invites. */
  readonly owners: ReadonlySet<string>
  readonly lists: AccessLists
  readonly invites: Invites
  readonly key: RelayKey
  /** Publishes an event of the relay's own. */
  readonly publish: (event: NostrEvent) => Promise<void>
  /** The newest member list there is, by this relay's key. */
  readonly published: () => Promise<NostrEvent | undefined>
  /** Somebody came or went, by whatever way. */
  readonly onChange: () => void
  /** Seconds. */
  readonly now: () => number
  readonly onError: (where: string, error: unknown) => void
}

export interface Verdict {
  readonly accepted: boolean
  readonly message: string
}

const refused = (text: string): Verdict => ({ accepted: false, message: reason('restricted', text) })

/** NIP-43: who belongs to this relay, how one joins and leaves, and the list that the relay signs of it. */
export class Membership {
  readonly #options: MembershipOptions
  /** Lists leave in the order of the changes. */
  #publishing: Promise<void> = Promise.resolve()

  constructor(options: MembershipOptions) {
    this.#options = options
  }

  isOwner(pubkey: string): boolean {
    return this.#options.owners.has(pubkey)
  }

  get hasOwners(): boolean {
    return this.#options.owners.size > 0
  }

  isMember(pubkey: string): boolean {
    const { lists, owners } = this.#options
    return (owners.has(pubkey) || lists.isAllowed(pubkey)) && !lists.isBanned(pubkey)
  }

  get members(): string[] {
    const { lists, owners } = this.#options
    const all = new Set([...owners, ...lists.listAllowed().map(({ value }) => value)])
    return [...all].filter(pubkey => !lists.isBanned(pubkey)).sort()
  }

  /** Answers a join or leave request whose signature holds. */
  async request(event: NostrEvent): Promise<Verdict> {
    const { now } = this.#options
    if (Math.abs(event.created_at - now()) > WINDOW_S)
      return {
        accepted: false,
        message: reason('invalid', `created_at is more than ${WINDOW_S} s off; check your clock`),
      }
    return event.kind === LEAVE_REQUEST ? this.#leave(event) : this.#join(event)
  }

  async #join(event: NostrEvent): Promise<Verdict> {
    const { lists, invites, now } = this.#options
    const { pubkey } = event
    if (lists.isBanned(pubkey)) return refused('this key is banned here')
    if (this.isMember(pubkey)) return { accepted: true, message: reason('duplicate', 'you are a member already') }
    const code = tagValue(event, 'claim')
    if (code === undefined) return refused('a join request needs a claim tag with an invite code')
    const outcome = await invites.claim(code, now())
    if (outcome === 'unknown') return refused('that invite code is invalid or used up')
    if (outcome === 'expired') return refused('that invite code has expired')
    await lists.allow(pubkey, 'invite')
    this.#announce(MEMBER_ADDED, pubkey)
    return { accepted: true, message: 'info: welcome' }
  }

  async #leave(event: NostrEvent): Promise<Verdict> {
    const { lists } = this.#options
    const { pubkey, tags } = event
    if (!tags.some(([name]) => name === '-'))
      return { accepted: false, message: reason('invalid', 'a leave request has a "-" tag (NIP-70)') }
    if (this.isOwner(pubkey)) return refused('an owner leaves by the configuration of the relay')
    if (!lists.isAllowed(pubkey)) return { accepted: true, message: reason('duplicate', 'you are no member') }
    await lists.unallow(pubkey)
    this.#announce(MEMBER_REMOVED, pubkey)
    return { accepted: true, message: 'info: farewell' }
  }

  /** A claim for an owner who asked for one: signed by the relay, never stored. Undefined if too many are outstanding. */
  async invite(): Promise<NostrEvent | undefined> {
    const { invites, now } = this.#options
    const claim = await invites.issue(now())
    return claim === undefined ? undefined : this.#sign(INVITE, [['claim', claim]])
  }

  /** Publishes the member list if it is not what is published already: after a start, or a change of the lists by an administrator. */
  refresh(): Promise<void> {
    this.#options.onChange()
    this.#publishing = this.#publishing.then(() => this.#publishList()).catch(error => this.#failed(error))
    return this.#publishing
  }

  #announce(kind: number, pubkey: string): void {
    this.#publishing = this.#publishing
      .then(() => this.#options.publish(this.#sign(kind, [['p', pubkey]])))
      .catch(error => this.#failed(error))
    void this.refresh()
  }

  async #publishList(): Promise<void> {
    const { published, publish } = this.#options
    const before = await published()
    const tags = this.members.map(pubkey => ['member', pubkey])
    if (sameMembers(before, tags)) return
    // Two changes within a second: the later list must win the address.
    await publish(this.#sign(MEMBER_LIST, tags, before === undefined ? 0 : before.created_at + 1))
  }

  #sign(kind: number, tags: readonly Tag[], notBefore = 0): NostrEvent {
    const { key, now } = this.#options
    const template: EventTemplate = {
      kind,
      created_at: Math.max(now(), notBefore),
      tags: [['-'], ...tags],
      content: '',
    }
    return key.sign(template)
  }

  #failed(error: unknown): void {
    this.#options.onError('members', error)
  }
}

const sameMembers = (event: NostrEvent | undefined, tags: readonly Tag[]): boolean =>
  JSON.stringify(event?.tags.filter(([name]) => name === 'member') ?? []) === JSON.stringify(tags)

/** Requests that change membership are answered by the relay itself and shown to nobody: a claim is a secret. */
export const isMembershipRequest = (kind: number): boolean => kind === JOIN_REQUEST || kind === LEAVE_REQUEST
