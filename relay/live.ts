import type { NostrEvent } from '../protocol/event.ts'
import { type Filter, type Matchable, matchesNothing } from '../protocol/filter.ts'
import type { Follower } from './follower.ts'
import type { Commit, StoredEntry } from './log/store.ts'
import { Passing } from './passing.ts'

/**
 * Who is listening, found by what an event carries: each filter is filed under the values of its one most selective field,
 * so an event looks up only its own values and cost grows with matches, not with subscriptions.
 */
export class LiveIndex {
  readonly #followers = new Set<Follower>()
  readonly #everything = new Buckets<true>()
  readonly #ids = new Buckets<string>()
  readonly #authors = new Buckets<string>()
  readonly #kinds = new Buckets<number>()
  /** By tag letter. */
  readonly #tags = new Map<string, Buckets<string>>()
  /** Counts look-ups, so that a follower found twice in one is visited once. */
  #round = 0

  get size(): number {
    return this.#followers.size
  }

  [Symbol.iterator](): IterableIterator<Follower> {
    return this.#followers.values()
  }

  add(follower: Follower): void {
    this.#followers.add(follower)
    for (const filter of follower.filters) this.#file('add', filter, follower)
  }

  remove(follower: Follower): void {
    this.#followers.delete(follower)
    for (const filter of follower.filters) this.#file('remove', filter, follower)
  }

  /** Hands one commit to everyone it may concern, entry by entry in log order. */
  publish(commit: Commit): void {
    if (this.#followers.size === 0) return
    const byAddress = new Map<string, StoredEntry>()
    for (const entry of commit.entries)
      if (entry.op === 'stored' && entry.address !== undefined) byAddress.set(entry.address, entry)
    for (const entry of commit.entries) {
      const successor = entry.op === 'replaced' ? byAddress.get(entry.address ?? '') : undefined
      const passing = new Passing(entry, successor)
      const offer = (follower: Follower) => follower.offer(passing)
      // Rare, and of concern to many: whoever could have been sent anything of that key.
      if (entry.op === 'vanished') for (const follower of this.#followers) offer(follower)
      else this.#visit(entry.op === 'stored' ? entry.event : entry.target, offer)
    }
  }

  /** Who would be sent an ephemeral event now. */
  listenersTo(event: NostrEvent): Follower[] {
    const listeners: Follower[] = []
    this.#visit(event, follower => {
      if (follower.hears(event)) listeners.push(follower)
    })
    return listeners
  }

  /** Visits once whoever has a filter that may match. */
  #visit(event: Matchable, visit: (follower: Follower) => void): void {
    this.#round += 1
    const round = this.#round
    const once = (follower: Follower) => {
      if (follower.visited === round) return
      follower.visited = round
      visit(follower)
    }
    this.#everything.visit(true, once)
    this.#ids.visit(event.id, once)
    this.#authors.visit(event.pubkey, once)
    this.#kinds.visit(event.kind, once)
    for (const [name, value] of event.tags)
      if (name !== undefined && value !== undefined) this.#tags.get(name)?.visit(value, once)
  }

  /** A filter is filed under its most selective field: ids, then authors, tags, kinds, or else under every event. */
  #file(act: 'add' | 'remove', filter: Filter, follower: Follower): void {
    if (matchesNothing(filter)) return
    if (filter.ids !== undefined) return this.#ids[act](filter.ids, follower)
    if (filter.authors !== undefined) return this.#authors[act](filter.authors, follower)
    const tag = fewest(filter.tags)
    if (tag !== undefined) {
      const [name, values] = tag
      const buckets = this.#tags.get(name) ?? new Buckets<string>()
      this.#tags.set(name, buckets)
      return buckets[act](values, follower)
    }
    if (filter.kinds !== undefined) return this.#kinds[act](filter.kinds, follower)
    this.#everything[act](EVERY_EVENT, follower)
  }
}

const EVERY_EVENT: ReadonlySet<true> = new Set([true])

/** The tag condition that fewest values fulfil. */
function fewest(tags: Filter['tags']): [name: string, values: ReadonlySet<string>] | undefined {
  let found: [string, ReadonlySet<string>] | undefined
  for (const [name, values] of tags ?? [])
    if (found === undefined || values.size < found[1].size) found = [name, values]
  return found
}

/** Followers by one field of the events that they want. Most values have one follower, which then needs no set. */
class Buckets<Value> {
  readonly #found = new Map<Value, Follower | Set<Follower>>()

  add(values: ReadonlySet<Value>, follower: Follower): void {
    for (const value of values) {
      const found = this.#found.get(value)
      if (found === undefined) this.#found.set(value, follower)
      else if (found instanceof Set) found.add(follower)
      else if (found !== follower) this.#found.set(value, new Set([found, follower]))
    }
  }

  remove(values: ReadonlySet<Value>, follower: Follower): void {
    for (const value of values) {
      const found = this.#found.get(value)
      if (found === follower) this.#found.delete(value)
      else if (found instanceof Set && found.delete(follower) && found.size === 0) this.#found.delete(value)
    }
  }

  visit(value: Value, visit: (follower: Follower) => void): void {
    const found = this.#found.get(value)
    if (found === undefined) return
    if (!(found instanceof Set)) visit(found)
    else for (const follower of found) visit(follower)
  }
}
