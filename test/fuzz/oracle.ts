import type { FilterJson, NostrEvent } from 'posthorn/protocol'
import { NaiveLog, naiveAddress, naiveMatch, naiveOrder } from '../relay/naive-log.ts'

/** Kinds that are served to the keys they name only, and the one that is served to nobody. */
const PRIVATE = [4, 1059, 21_059]
const NOBODY = 34_707

export const isEphemeral = ({ kind }: NostrEvent): boolean => kind >= 20_000 && kind < 30_000

export const isExpired = (event: NostrEvent, now: number): boolean => {
  const at = event.tags.find(tag => tag[0] === 'expiration')?.[1]
  return at !== undefined && /^[0-9]+$/.test(at) && Number(at) <= now
}

export function mayRead(event: NostrEvent, keys: readonly string[]): boolean {
  if (event.kind === NOBODY) return false
  if (!PRIVATE.includes(event.kind)) return true
  return keys.some(key => event.pubkey === key || event.tags.some(tag => tag[0] === 'p' && tag[1] === key))
}

export const matchesAny = (filters: readonly FilterJson[], event: NostrEvent): boolean =>
  filters.some(filter => naiveMatch(filter, event))

/** Every filter names kinds that strangers may not read, and no other. */
export const asksPrivateOnly = (filters: readonly FilterJson[]): boolean =>
  filters.every(({ kinds = [] }) => kinds.length > 0 && kinds.every(kind => [...PRIVATE, NOBODY].includes(kind)))

/** Who asks, and when (seconds). */
export interface Asker {
  readonly keys: readonly string[]
  readonly now: number
}

/** A row of a page, written `seq op id`. */
export interface PageRow {
  readonly text: string
  /** A replacement may be passed over where its successor travels in the same page. */
  readonly optional: boolean
}

/** What every path has to agree with: a list of what was accepted, walked from end to end for each question. */
export class Oracle extends NaiveLog {
  /** Everything of a filter group that this asker may see. */
  seen(filters: readonly FilterJson[], { keys, now }: Asker): NostrEvent[] {
    return this.present
      .map(row => row.event)
      .filter(event => matchesAny(filters, event) && mayRead(event, keys) && !isExpired(event, now))
  }

  /** Newest first, each filter within its limit; where the cap is the relay's own, to the end of the second. */
  query(filters: readonly FilterJson[], cap: number, asker: Asker): { ids: string[]; complete: string } {
    const union = new Map<string, NostrEvent>()
    const asked = filters.filter(({ limit }) => limit !== 0)
    let complete = asked.length === 0 ? '' : 'finish'
    for (const filter of asked) {
      const all = this.seen([filter], asker).toSorted(naiveOrder)
      const ownCap = filter.limit === undefined || filter.limit > cap
      const cut = all.slice(0, ownCap ? cap : filter.limit)
      const second = ownCap && cut.length === cap ? cut.at(-1)?.created_at : undefined
      const taken = all.filter((event, n) => n < cut.length || event.created_at === second)
      if (taken.length < all.length) complete = 'more'
      for (const event of taken) union.set(event.id, event)
    }
    return { ids: [...union.values()].toSorted(naiveOrder).map(({ id }) => id), complete }
  }

  /** Rows of the log from after `since` up to `upTo`. */
  page(filters: readonly FilterJson[], asker: Asker, range: { since: number; upTo: number; gone: boolean }): PageRow[] {
    const present = new Set(this.present.map(row => row.event.id))
    const rows = this.entries.filter(({ op, seq, event }) => {
      if (seq <= range.since || seq > range.upTo || !matchesAny(filters, event)) return false
      if (op !== 'stored') return range.gone && mayRead(event, asker.keys)
      return present.has(event.id) && mayRead(event, asker.keys) && !isExpired(event, asker.now)
    })
    const held = new Set(rows.flatMap(({ op, event }) => (op === 'stored' ? [naiveAddress(event)] : [])))
    return rows.map(({ op, seq, event }) => ({
      text: `${seq} ${op} ${event.id}`,
      optional: op === 'replaced' && held.has(naiveAddress(event)),
    }))
  }
}

/** `got` is `allowed` in its order, without some of what is optional. */
export function fitting(allowed: readonly PageRow[], got: readonly string[]): string[] {
  const told = new Set(got)
  return allowed.filter(({ text, optional }) => !optional || told.has(text)).map(({ text }) => text)
}
