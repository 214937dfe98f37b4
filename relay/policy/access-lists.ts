import { BlockList, isIP } from 'node:net'
import { normalizeAddress } from '../address.ts'
import type { Setting, Store } from '../log/store.ts'

/** The lists an operator keeps (NIP-86); each is a section of the log's settings. */
const LISTS = [
  'banned-key',
  'allowed-key',
  'banned-event',
  'allowed-event',
  'blocked-ip',
  'allowed-kind',
  'disallowed-kind',
] as const
type ListName = (typeof LISTS)[number]

/** One entry of a list: a key, an id or an address, and why it is there ('' if nobody said). */
export interface ListEntry {
  readonly value: string
  readonly reason: string
}

const isListName = (section: string): section is ListName => (LISTS as readonly string[]).includes(section)

/**
 * Who and what an operator has banned or allowed while the relay runs. Reading is synchronous, for the gate; a change is on disk
 * before it holds and before its promise resolves. Bans win over permissions; an empty permission list permits everything.
 */
export class AccessLists {
  readonly #store: Pick<Store, 'writeSetting'>
  readonly #lists: Readonly<Record<ListName, Map<string, string>>>
  #blocked = new BlockList()

  private constructor(store: Pick<Store, 'writeSetting'>, settings: readonly Setting[]) {
    this.#store = store
    this.#lists = Object.fromEntries(LISTS.map(name => [name, new Map<string, string>()])) as Record<
      ListName,
      Map<string, string>
    >
    for (const { section, name, value } of settings) if (isListName(section)) this.#lists[section].set(name, value)
    this.#rebuildBlocked()
  }

  static async load(store: Pick<Store, 'readSettings' | 'writeSetting'>): Promise<AccessLists> {
    return new AccessLists(store, await store.readSettings())
  }

  isBanned(pubkey: string): boolean {
    return this.#lists['banned-key'].has(pubkey)
  }
  /** On the allow list. Whether one has to be is the policy's question; see {@link hasAllowList}. */
  isAllowed(pubkey: string): boolean {
    return this.#lists['allowed-key'].has(pubkey)
  }
  /** True once any key has been allowed. */
  get hasAllowList(): boolean {
    return this.#lists['allowed-key'].size > 0
  }
  isEventBanned(id: string): boolean {
    return this.#lists['banned-event'].has(id)
  }
  /** Looked at by a moderator and found right. */
  isEventAllowed(id: string): boolean {
    return this.#lists['allowed-event'].has(id)
  }
  /** An address, IPv4 also as IPv6 writes it (`::ffff:…`). What is no address is not blocked. */
  isIpBlocked(ip: string): boolean {
    const address = normalizeAddress(ip)
    return address !== undefined && this.#blocked.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
  kindAllowed(kind: number): boolean {
    const name = String(kind)
    const allowed = this.#lists['allowed-kind']
    return !this.#lists['disallowed-kind'].has(name) && (allowed.size === 0 || allowed.has(name))
  }

  ban(pubkey: string, reason = ''): Promise<void> {
    return this.#put('banned-key', pubkey, reason)
  }
  unban(pubkey: string): Promise<void> {
    return this.#drop('banned-key', pubkey)
  }
  allow(pubkey: string, reason = ''): Promise<void> {
    return this.#put('allowed-key', pubkey, reason)
  }
  unallow(pubkey: string): Promise<void> {
    return this.#drop('allowed-key', pubkey)
  }
  async banEvent(id: string, reason = ''): Promise<void> {
    await this.#put('banned-event', id, reason)
    await this.#drop('allowed-event', id)
  }
  async allowEvent(id: string, reason = ''): Promise<void> {
    await this.#put('allowed-event', id, reason)
    await this.#drop('banned-event', id)
  }
  /** Takes back a disallowing; with nothing to take back, the kind goes on the list of the only ones accepted. */
  async allowKind(kind: number): Promise<void> {
    const name = String(kind)
    const wasDisallowed = this.#lists['disallowed-kind'].has(name)
    if (!wasDisallowed || this.#lists['allowed-kind'].size > 0) await this.#put('allowed-kind', name, '')
    await this.#drop('disallowed-kind', name)
  }
  /** Also ends its place on the list of the only ones accepted; when that list is empty, all kinds not disallowed are accepted. */
  async disallowKind(kind: number): Promise<void> {
    await this.#put('disallowed-kind', String(kind), '')
    await this.#drop('allowed-kind', String(kind))
  }
  /** One address, or a subnet like `10.0.0.0/8`. Throws a RangeError on anything else. */
  async blockIp(address: string, reason = ''): Promise<void> {
    await this.#put('blocked-ip', requireAddress(address), reason)
    this.#rebuildBlocked()
  }
  async unblockIp(address: string): Promise<void> {
    await this.#drop('blocked-ip', requireAddress(address))
    this.#rebuildBlocked()
  }

  listBanned(): ListEntry[] {
    return this.#list('banned-key')
  }
  listAllowed(): ListEntry[] {
    return this.#list('allowed-key')
  }
  listBannedEvents(): ListEntry[] {
    return this.#list('banned-event')
  }
  listBlockedIps(): ListEntry[] {
    return this.#list('blocked-ip')
  }
  /** The only kinds accepted; empty = all that are not disallowed. */
  listAllowedKinds(): number[] {
    return this.#list('allowed-kind')
      .map(({ value }) => Number(value))
      .sort((a, b) => a - b)
  }

  #list(name: ListName): ListEntry[] {
    return [...this.#lists[name]].map(([value, reason]) => ({ value, reason }))
  }

  async #put(list: ListName, name: string, value: string): Promise<void> {
    await this.#store.writeSetting({ section: list, name, value })
    this.#lists[list].set(name, value)
  }

  async #drop(list: ListName, name: string): Promise<void> {
    if (!this.#lists[list].has(name)) return
    await this.#store.writeSetting({ section: list, name, value: null })
    this.#lists[list].delete(name)
  }

  #rebuildBlocked(): void {
    const blocked = new BlockList()
    for (const entry of this.#lists['blocked-ip'].keys()) {
      const subnet = parseSubnet(entry)
      if (subnet !== undefined) blocked.addSubnet(subnet.network, subnet.prefix, subnet.family)
    }
    this.#blocked = blocked
  }
}

interface Subnet {
  readonly network: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** An address, or a subnet like `10.0.0.0/8`. */
function parseSubnet(text: string): Subnet | undefined {
  const [address = '', prefixText, rest] = text.split('/')
  const network = normalizeAddress(address)
  if (network === undefined || rest !== undefined) return undefined
  const widest = isIP(network) === 4 ? 32 : 128
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return undefined
  const prefix = prefixText === undefined ? widest : Number(prefixText)
  return prefix > widest ? undefined : { network, prefix, family: widest === 32 ? 'ipv4' : 'ipv6' }
}

/** In one spelling, so that what was blocked one way can be unblocked another way. */
function requireAddress(text: string): string {
  const subnet = parseSubnet(text)
  if (subnet === undefined)
    throw new RangeError('not an IP address; write it like 203.0.113.7, 2001:db8::7 or 203.0.113.0/24')
  return text.includes('/') ? `${subnet.network}/${subnet.prefix}` : subnet.network
}
