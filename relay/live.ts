import type { NostrEvent } from '../protocol/event.ts'
import { type Filter, type Matchable, matchesNothing } from '../protocol/filter.ts'
import type { Follower } from './follower.ts'
import type { Commit, StoredEntry } from './log/store.ts'

/**
 * Who is listening, found by what an event carries: each filter is filed under the values of its one most selective field,
 * so an event looks up only its own values and cost grows with matches, not with subscriptions.
 */
export class LiveIndex {
  readonly #buckets = new Map<string, Set<Follower>>()
  readonly #everything = new Set<Follower>()
  readonly #followers = new Set<Follower>()

  get size(): number {
    return this.#followers.size
  }

  [Symbol.iterator](): IterableIterator<Follower> {
    return this.#followers.values()
  }

  add(follower: Follower): void {
    this.#followers.add(follower)
    for (const key of keysOf(follower.filters)) {
      if (key === undefined) this.#everything.add(follower)
      else {
        const bucket = this.#buckets.get(key)
        if (bucket) bucket.add(follower)
        else this.#buckets.set(key, new Set([follower]))
      }
    }
  }

  remove(follower: Follower): void {
    this.#followers.delete(follower)
    this.#everything.delete(follower)
    for (const key of keysOf(follower.filters)) {
      if (key === undefined) continue
      const bucket = this.#buckets.get(key)
      bucket?.delete(follower)
      if (bucket?.size === 0) this.#buckets.delete(key)
    }
  }

  /** Hands one commit to everyone it may concern, entry by entry in log order. */
  publish(commit: Commit): void {
    const byAddress = new Map<string, StoredEntry>()
    for (const entry of commit.entries)
      if (entry.op === 'stored' && entry.address !== undefined) byAddress.set(entry.address, entry)
    for (const entry of commit.entries) {
      const successor = entry.op === 'replaced' ? byAddress.get(entry.address ?? '') : undefined
      // Rare, and of concern to many: whoever could have been sent anything of that key.
      const candidates =
        entry.op === 'vanished' ? this.#followers : this.#candidates(entry.op === 'stored' ? entry.event : entry.target)
      for (const follower of candidates) follower.offer(entry, successor)
    }
  }

  /** Who would be sent an ephemeral event now. */
  listenersTo(event: NostrEvent): Follower[] {
    return [...this.#candidates(event)].filter(follower => follower.hears(event))
  }

  #candidates(event: Matchable): Set<Follower> {
    const found = new Set(this.#everything)
    const look = (key: string) => {
      for (const follower of this.#buckets.get(key) ?? []) found.add(follower)
    }
    look(`i${event.id}`)
    look(`a${event.pubkey}`)
    look(`k${event.kind}`)
    for (const [name, value] of event.tags) if (name?.length === 1 && value !== undefined) look(`#${name}${value}`)
    return found
  }
}

/** Bucket names of each filter's most selective field: ids, then authors, tags, kinds; undefined = every event. */
function keysOf(filters: readonly Filter[]): (string | undefined)[] {
  return filters.flatMap((filter): (string | undefined)[] => {
    if (matchesNothing(filter)) return []
    if (filter.ids !== undefined) return [...filter.ids].map(id => `i${id}`)
    if (filter.authors !== undefined) return [...filter.authors].map(author => `a${author}`)
    const [tag] = filter.tags ?? []
    if (tag !== undefined) return [...tag[1]].map(value => `#${tag[0]}${value}`)
    if (filter.kinds !== undefined) return [...filter.kinds].map(kind => `k${kind}`)
    return [undefined]
  })
}
