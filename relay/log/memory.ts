import { makeEpoch } from '../../protocol/cursor.ts'
import { encodeEvent, expirationOf, type NostrEvent } from '../../protocol/event.ts'
import { type Filter, type Matchable, matchesNothing, matchFilter, matchFilters } from '../../protocol/filter.ts'
import { hllOf } from '../../protocol/hll.ts'
import { addressOf, supersedes } from '../../protocol/kinds.ts'
import { packStubs } from '../../protocol/negentropy/index.ts'
import { mayRead } from '../access.ts'
import { queryTerms, searchableText, termsOf } from '../search.ts'
import { rank } from '../search-rank.ts'
import { apply, type LogState, vanishes } from './apply.ts'
import { concernsVanished, keepSurvivors, toHeader } from './entries.ts'
import type { EpochStart } from './epochs.ts'
import { type Floor, floorOf } from './floors.ts'
import { buildBatch, buildPage, type Row } from './page.ts'
import { isTooOld, ruleOf } from './retention.ts'
import type {
  LogEntry,
  LogRow,
  Reader,
  RemovedEntry,
  Setting,
  Store,
  StoredEntry,
  StoredWill,
  VanishedEntry,
} from './store.ts'

/** The log in memory: for simulations and tests. Same contract as SQLite's, nothing survives the process. */
export function createMemoryStore(): Store {
  const stored = new Map<number, StoredEntry>()
  const removed = new Map<number, RemovedEntry>()
  const byId = new Map<string, number>()
  const byAddress = new Map<string, number>()
  const marks = new Map<string, Pick<NostrEvent, 'created_at' | 'id'>>()
  const deleted = new Set<string>()
  const deletedUpTo = new Map<string, number>()
  const vanished = new Map<string, VanishedEntry>()
  const wills = new Map<string, StoredWill>()
  const settings = new Map<string, Setting>()
  const epochs: EpochStart[] = []
  const floors: Floor[] = []
  /** Milliseconds, by seq. */
  const removedAt = new Map<number, number>()
  let now = 0
  let last = 0
  let fresh: LogEntry[] = []

  const eventOf = (seq: number | undefined): NostrEvent | undefined =>
    seq === undefined ? undefined : stored.get(seq)?.event
  const drop = (event: Matchable, address: string | undefined): void => {
    const seq = byId.get(event.id)
    if (seq === undefined) return
    byId.delete(event.id)
    stored.delete(seq)
    if (address !== undefined && byAddress.get(address) === seq) byAddress.delete(address)
  }
  const state: LogState = {
    seqOf: id => byId.get(id),
    find: id => eventOf(byId.get(id)),
    holder: address => eventOf(byAddress.get(address)),
    mark: address => marks.get(address),
    isDeleted: (id, author) => deleted.has(`${id}${author}`),
    deletedUpTo: address => deletedUpTo.get(address),
    vanishedUpTo: author => vanished.get(author)?.upTo,
    put(event, address) {
      last += 1
      const entry: StoredEntry = { op: 'stored', seq: last, event, json: encodeEvent(event), address }
      stored.set(last, entry)
      byId.set(event.id, last)
      if (address !== undefined) byAddress.set(address, last)
      fresh.push(entry)
      return last
    },
    remove(event, address, op) {
      drop(event, address)
      last += 1
      const entry: RemovedEntry = { op, seq: last, target: toHeader(event), address }
      removed.set(last, entry)
      removedAt.set(last, now)
      fresh.push(entry)
    },
    setMark: (address, { created_at, id }) => marks.set(address, { created_at, id }),
    setDeleted: (id, author) => deleted.add(`${id}${author}`),
    setDeletedUpTo: (address, created_at) => deletedUpTo.set(address, created_at),
    concerns: (author, upTo) =>
      [...stored.values()].some(({ event }) => vanishes(event, author, upTo)) ||
      [...removed.values()].some(({ target }) => target.pubkey === author && target.created_at <= upTo),
    vanish(author, upTo) {
      for (const { event, address } of [...stored.values()]) if (vanishes(event, author, upTo)) drop(event, address)
      for (const { seq, target } of [...removed.values()])
        if (target.pubkey === author && target.created_at <= upTo) removed.delete(seq)
      last += 1
      const entry: VanishedEntry = { op: 'vanished', seq: last, pubkey: author, upTo }
      vanished.set(author, entry)
      fresh.push(entry)
    },
  }

  const readable = (event: NostrEvent, { keys, now }: Reader): boolean => {
    const expires = expirationOf(event)
    return mayRead(event, keys) && (expires === undefined || expires > now)
  }
  const matching = (filter: Filter, reader: Reader): StoredEntry[] =>
    [...stored.values()].filter(({ event }) => finds(filter, event) && readable(event, reader))

  return {
    get head() {
      return { epoch: epochs.at(-1)?.epoch ?? '', last }
    },
    get epochs() {
      return epochs
    },
    async startEpoch(nowMs, random16) {
      epochs.push({
        epoch: makeEpoch(
          nowMs,
          random16,
          epochs.map(run => run.epoch),
        ),
        start: last,
      })
    },
    async append(events, nowMs) {
      now = nowMs
      fresh = []
      const outcomes = events.map(event => apply(state, event))
      return { outcomes, entries: keepSurvivors(fresh), last }
    },
    seqsOf: async ids => ids.map(id => byId.get(id)),
    async readLog(request) {
      const { after, filters, gone } = request
      const events = [...stored.values()]
        .filter(({ seq, event }) => seq > after && matchFilters(filters, event) && readable(event, request))
        .map(({ seq, json, address }): LogRow => ({ op: 'stored', seq, json, address }))
      const removals = [...(gone ? removed.values() : [])]
        .filter(({ seq, target }) => seq > after && matchFilters(filters, target) && mayRead(target, request.keys))
        .map(({ op, seq, target, address }): LogRow => ({ op, seq, target: target.id, address }))
      const vanishings = [...(gone ? vanished.values() : [])]
        .filter(({ seq, pubkey }) => seq > after && concernsVanished(filters, pubkey))
        .map(({ op, seq, pubkey }): LogRow => ({ op, seq, target: pubkey, address: undefined }))
        .sort((a, b) => a.seq - b.seq)
      const sources = [events.values(), removals.values(), vanishings.values()]
      return { ...buildBatch(request, last, sources), floor: floorOf(floors, filters, gone) }
    },
    async query(request) {
      return buildPage(request, last, (filter, after, upTo) => {
        const rows: Row[] = matching(filter, request)
          .filter(({ seq, event }) => seq <= upTo && (after === undefined || supersedes(after, event)))
          .map(({ seq, event, json }) => ({ seq, json, created_at: event.created_at, id: event.id }))
        rows.sort((a, b) => (supersedes(a, b) ? -1 : 1))
        return rows.values()
      })
    },
    count: async (filters, reader) =>
      [...stored.values()].filter(
        ({ event, seq }) =>
          filters.some(filter => seq > (filter.since_seq ?? 0) && finds(filter, event)) && readable(event, reader),
      ).length,
    hll: async (filter, offset, reader) =>
      hllOf(matchesNothing(filter) ? [] : matching(filter, reader).map(({ event }) => event.pubkey), offset),
    async search({ filters, ...reader }) {
      const terms = new Map([...stored.values()].map(entry => [entry, wordsOf(entry.event)] as const))
      const searchable = new Map([...terms].filter(([, words]) => words.length > 0))
      const seqs = new Set<number>()
      let complete = true
      for (const { filter, limit } of filters) {
        const query = queryTerms(filter.search ?? '')
        if (query.length === 0) continue
        const scores = rank(searchable, query)
        const score = (entry: StoredEntry) => scores.get(entry) ?? 0
        const found = matching(filter, reader)
          .filter(entry => scores.has(entry))
          .sort((a, b) => score(b) - score(a) || (supersedes(a.event, b.event) ? -1 : 1))
        if (found.length > limit) complete = false
        for (const { seq } of found.slice(0, limit)) seqs.add(seq)
      }
      return { seqs: [...seqs], seq: last, complete }
    },
    async texts(seqs) {
      return { events: seqs.flatMap(seq => stored.get(seq)?.json ?? []), taken: seqs.length }
    },
    async stubs({ filter, limit, after, upTo = last, ...reader }) {
      const events = matchesNothing(filter) ? [] : matching(filter, reader)
      const rest = events
        .filter(({ seq, event }) => seq <= upTo && (after === undefined || supersedes(after, event)))
        .map(({ event }) => event)
        .sort((a, b) => (supersedes(a, b) ? -1 : 1))
      return { ...packStubs(rest.slice(0, limit)), seq: upTo, next: rest.length > limit ? rest[limit - 1] : undefined }
    },
    async prunable({ rules, rule: index, part, now }) {
      const rule = rules[index]
      const keep = rule?.maxCount ?? Number.POSITIVE_INFINITY
      const victims: number[] = []
      if (part === 'events') {
        let kept = 0
        for (const { seq, event } of [...stored.values()].reverse()) {
          if (ruleOf(rules, event) !== rule) continue
          if (kept >= keep || isTooOld(rule, event, now)) victims.push(seq)
          else kept += 1
        }
      } else if (rule?.maxAgeS !== undefined) {
        for (const [seq, at] of removedAt) {
          const target = removed.get(seq)?.target
          if (target !== undefined && ruleOf(rules, target) === rule && at < (now - rule.maxAgeS) * 1000)
            victims.unshift(seq)
        }
      }
      return { victims, damaged: [], next: undefined }
    },
    async prune({ part, seqs }) {
      const raise = (kind: number, seq: number) => {
        const old = floors.findIndex(each => each.part === part && each.kind === kind)
        const floor = Math.max(seq + 1, floors[old]?.floor ?? 1)
        floors.splice(old === -1 ? floors.length : old, 1, { part, kind, floor })
      }
      let taken = 0
      for (const seq of seqs) {
        const event = part === 'events' ? stored.get(seq)?.event : removed.get(seq)?.target
        if (event === undefined) continue
        if (part === 'events') drop(event, addressOf(event))
        else removed.delete(seq)
        raise(event.kind, seq)
        taken += 1
      }
      return taken
    },
    async sweepExpired(now) {
      const expired = [...stored.values()].filter(
        ({ event }) => (expirationOf(event) ?? Number.POSITIVE_INFINITY) <= now,
      )
      for (const { event, address } of expired) drop(event, address)
      return expired.length
    },
    async remove(ids, nowMs) {
      now = nowMs
      fresh = []
      for (const event of ids.flatMap(id => eventOf(byId.get(id)) ?? []))
        state.remove(event, addressOf(event), 'deleted')
      return { outcomes: [], entries: fresh, last }
    },
    readSettings: async () => [...settings.values()],
    async writeSetting({ section, name, value }) {
      const key = JSON.stringify([section, name])
      if (value === null) settings.delete(key)
      else settings.set(key, { section, name, value })
    },
    wills: async () => [...wills.values()],
    async putWill(will) {
      wills.set(`${will.event.pubkey}:${will.session}`, will)
    },
    async dropWill(id) {
      for (const [key, { event }] of wills) if (event.id === id) wills.delete(key)
    },
    async close() {},
  }
}

const wordsOf = (event: NostrEvent): string[] => termsOf(searchableText(event) ?? '')

function finds(filter: Filter, event: NostrEvent): boolean {
  if (!matchFilter(filter, event)) return false
  const terms = filter.search === undefined ? [] : queryTerms(filter.search)
  if (terms.length === 0) return true
  const words = new Set(wordsOf(event))
  return terms.every(term => words.has(term))
}
