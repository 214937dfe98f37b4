import type { FilterJson, NostrEvent } from 'posthorn/protocol'

/** What the log should do, in the plainest words, sharing no code with the product. */
export type NaiveEntry =
  | { readonly op: 'stored'; readonly seq: number; readonly event: NostrEvent }
  | { readonly op: 'deleted' | 'replaced'; readonly seq: number; readonly event: NostrEvent }

export type NaiveOutcome =
  | { readonly status: 'stored' | 'duplicate'; readonly seq: number }
  | { readonly status: 'refused' }

const within = (kind: number, low: number, high: number): boolean => kind >= low && kind < high

/** `kind:pubkey:d`, or undefined where every event is kept. */
export function naiveAddress(event: NostrEvent): string | undefined {
  if (event.kind === 0 || event.kind === 3 || within(event.kind, 10_000, 20_000))
    return `${event.kind}:${event.pubkey}:`
  if (!within(event.kind, 30_000, 40_000)) return undefined
  const d = event.tags.find(tag => tag[0] === 'd')
  return `${event.kind}:${event.pubkey}:${d?.[1] ?? ''}`
}

/** Its author; of a gift wrap, whose author is a throwaway key, also who it is for. */
const naiveOwns = (key: string, event: NostrEvent): boolean =>
  event.pubkey === key || (event.kind === 1059 && event.tags.some(tag => tag[0] === 'p' && tag[1] === key))

const RESTRICTED = [4, 1059, 21_059, 34_707]

/** May a stranger see it at `now` (seconds)? */
export function naiveReadable(event: NostrEvent, now: number): boolean {
  const expiration = event.tags.find(tag => tag[0] === 'expiration')?.[1]
  if (expiration !== undefined && /^[0-9]+$/.test(expiration) && Number(expiration) <= now) return false
  return !RESTRICTED.includes(event.kind)
}

export function naiveMatch(filter: FilterJson, event: NostrEvent): boolean {
  if (filter.ids && !filter.ids.includes(event.id)) return false
  if (filter.authors && !filter.authors.includes(event.pubkey)) return false
  if (filter.kinds && !filter.kinds.includes(event.kind)) return false
  if (filter.since !== undefined && event.created_at < filter.since) return false
  if (filter.until !== undefined && event.created_at > filter.until) return false
  for (const [key, wanted] of Object.entries(filter))
    if (
      key.startsWith('#') &&
      !event.tags.some(tag => tag[0] === key.slice(1) && (wanted as string[]).includes(tag[1] ?? '\0none'))
    )
      return false
  return true
}

/** Newest first, lowest id first within a second. */
export const naiveOrder = (a: NostrEvent, b: NostrEvent): number =>
  a.created_at === b.created_at ? (a.id < b.id ? -1 : 1) : b.created_at - a.created_at

export class NaiveLog {
  readonly accepted: NostrEvent[] = []
  present: { seq: number; event: NostrEvent }[] = []
  readonly entries: NaiveEntry[] = []
  last = 0
  readonly #letGo = new Set<string>()
  readonly #requests = new Map<string, NostrEvent>()

  append(event: NostrEvent): NaiveOutcome {
    const known = this.present.find(row => row.event.id === event.id)
    if (known) return { status: 'duplicate', seq: known.seq }
    const address = naiveAddress(event)
    for (const other of this.accepted) {
      if (other.kind === 5 && naiveOwns(other.pubkey, event)) {
        const names = (name: string, value: string) => other.tags.some(tag => tag[0] === name && tag[1] === value)
        if (event.kind !== 5 && names('e', event.id)) return { status: 'refused' }
        if (address !== undefined && names('a', address) && event.created_at <= other.created_at)
          return { status: 'refused' }
      }
      // An earlier version that is not beaten by this one. (The same id again counts as not beaten.)
      if (address !== undefined && naiveAddress(other) === address && !this.#letGo.has(other.id))
        if (naiveOrder(event, other) > 0) return { status: 'refused' }
    }
    // What had been let go of is gone up to the request that did it.
    const request = address === undefined ? undefined : this.#requests.get(address)
    if (request !== undefined && naiveOrder(event, request) > 0) return { status: 'refused' }
    const seq = this.#log('stored', event)
    this.accepted.push(event)
    // Stored once more, it holds its address again.
    this.#letGo.delete(event.id)
    const replaced = this.present.filter(row => address !== undefined && naiveAddress(row.event) === address)
    this.present.push({ seq, event })
    for (const row of replaced) this.#remove(row.event, 'replaced')
    if (event.kind === 5)
      for (const [name, value] of event.tags)
        for (const { event: target } of [...this.present]) {
          if (value === undefined || target.kind === 5 || !naiveOwns(event.pubkey, target)) continue
          if (name === 'e' && target.id === value) {
            this.#remove(target, 'deleted')
            this.#release(target, event)
          }
          if (name === 'a' && naiveAddress(target) === value && target.created_at <= event.created_at)
            this.#remove(target, 'deleted')
        }
    return { status: 'stored', seq }
  }

  /** What a stranger may see of a filter group now. */
  matching(filters: readonly FilterJson[], now: number): NostrEvent[] {
    return this.present
      .map(row => row.event)
      .filter(event => naiveReadable(event, now) && filters.some(filter => naiveMatch(filter, event)))
  }

  sweep(now: number): number {
    const before = this.present.length
    this.present = this.present.filter(({ event }) => {
      const expiration = event.tags.find(tag => tag[0] === 'expiration')?.[1]
      return expiration === undefined || !/^[0-9]+$/.test(expiration) || Number(expiration) > now
    })
    return before - this.present.length
  }

  /** Dated after the request that names it: no version so far holds the address any longer. */
  #release(target: NostrEvent, request: NostrEvent): void {
    const address = naiveAddress(target)
    if (address === undefined || target.created_at <= request.created_at) return
    this.#requests.set(address, request)
    for (const version of this.accepted) if (naiveAddress(version) === address) this.#letGo.add(version.id)
  }

  #remove(event: NostrEvent, op: 'deleted' | 'replaced'): void {
    this.present = this.present.filter(row => row.event.id !== event.id)
    this.#log(op, event)
  }

  #log(op: NaiveEntry['op'], event: NostrEvent): number {
    this.last += 1
    this.entries.push({ op, seq: this.last, event })
    return this.last
  }
}
