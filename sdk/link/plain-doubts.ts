import type { FilterJson } from '../../protocol/filter.ts'
import { AGENT_CARD, RELAY_LIST } from '../../protocol/kinds.ts'
import {
  askPage,
  type Doubt,
  FOREVER,
  type Full,
  isWhole,
  learnSize,
  mayBeCut,
  OVER,
  type PlainSource,
  type Reading,
  within,
} from './plain-reading.ts'

/** Events of others that are fetched to learn how many the relay gives at once. */
const MAX_PROBE = 1_000
/** In place of the usual limit, for what fills a page. */
const LARGER = 5_000
/** Relays may refuse to be asked for everything. */
const ANYTHING: readonly FilterJson[] = [{}, { kinds: [0, 1, 3, RELAY_LIST, AGENT_CARD] }]
/** Ids per REQ, where the relay does not give fewer. */
const CHUNK = 100
const MAX_LACKING = 50_000
/** Full seconds that are looked at by narrower filters, and authors in each. */
const MAX_SECONDS = 32
const MAX_AUTHORS = 16

/**
 * What was read may be only what the relay gives at once. Finds out, by what the relay is able to do: by a larger page of anything, by
 * reconciling (NIP-77), by counting (NIP-45), by narrower filters. What these bring is taken.
 */
export async function settleDoubts(reading: Reading, source: PlainSource): Promise<Doubt | undefined> {
  const open = () => reading.full.filter(each => mayBeCut(reading, each))
  if (open().length === 0) return undefined
  for (const step of [larger, probe, narrow, ask]) {
    if (await tried(() => step(open(), reading, source))) return undefined
    if (open().length === 0) return undefined
  }
  const since = Math.min(...open().map(full => full.since))
  return { since, reason: reasonOf(reading, open()) }
}

/** True: nothing is lacking. What a relay cannot do says nothing. */
async function tried(step: () => Promise<boolean>): Promise<boolean> {
  try {
    return await step()
  } catch (error) {
    if (error === OVER) throw error
    return false
  }
}

type Step = (full: readonly Full[], reading: Reading, source: PlainSource) => Promise<boolean>

const isOneSecond = ({ since, until }: Full): boolean => since === until

/** A second that fills what was asked for: the relay may give more at once. */
const larger: Step = async (full, reading, source) => {
  for (const each of full
    .filter(({ given, asked }) => given >= asked)
    .filter(isOneSecond)
    .slice(0, MAX_SECONDS)) {
    const { given, ids } = await askPage(reading, source, within(LARGER, reading.filter, each))
    reading.full = reading.full.map(other => (other === each ? { ...each, asked: LARGER, given, ids } : other))
  }
  return false
}

/** One event of anybody more than it gave: if it gives as many, it cut nothing. */
const probe: Step = async (full, reading, source) => {
  const given = Math.max(...full.map(each => each.given))
  if (Math.max(...full.map(({ ids }) => ids)) >= reading.cutAt || given >= MAX_PROBE) return false
  for (const anything of ANYTHING) {
    const page = await source.ask({ ...anything, until: FOREVER, limit: given + 1 }, true).catch(() => undefined)
    if (page) learnSize(reading, page)
    if (page && page.ids > given) break
  }
  return false
}

const spanOf = (full: readonly Full[]) => ({
  since: Math.min(...full.map(({ since }) => since)),
  until: Math.max(...full.map(({ until }) => until)),
})

function spanned(full: readonly Full[], { filter, had }: Reading) {
  const { since, until } = spanOf(full)
  const held = [...had].flatMap(([id, created_at]) =>
    created_at >= since && created_at <= until ? [{ id, created_at }] : [],
  )
  const { limit: _limit, ...conditions } = filter
  return { filter: { ...conditions, since, until: Math.min(until, FOREVER) }, held }
}

const reconcile: Step = async (full, reading, source) => {
  const { filter, held } = spanned(full, reading)
  const ids = await source.lacking?.(filter, held)
  if (ids === undefined || ids.length > MAX_LACKING) return false
  const chunk = Math.max(1, Math.min(CHUNK, reading.largest, reading.cutAt))
  for (let at = 0; at < ids.length; at += chunk) {
    const some = ids.slice(at, at + chunk)
    await askPage(reading, source, { ...filter, ids: some, limit: some.length })
    if (some.some(id => !reading.had.has(id))) return false
  }
  return true
}

/** Some relays count no further than they give: a number counts if it is beyond any page. */
const count: Step = async (_full, { filter, had, frames }, source) => {
  const { limit: _limit, ...conditions } = filter
  return had.size > frames && (await source.count?.(conditions)) === had.size
}

/** What relays need not know, together: those that do not may say nothing. */
const ask: Step = async (full, reading, source) =>
  (await Promise.all([reconcile, count].map(step => tried(() => step(full, reading, source))))).includes(true)

/** By kind, then by the authors that are known of it: a piece that is smaller than a page is whole. */
const narrow: Step = async (full, reading, source) => {
  for (const each of full.filter(isOneSecond).slice(0, MAX_SECONDS)) {
    const pieces = (reading.filter.kinds ?? []).map((kind): FilterJson => ({ kinds: [kind] }))
    let isAll = pieces.length > 1
    const authors = new Set<string>()
    for (const piece of pieces.length > 1 ? pieces : [{}]) {
      const page = await askPage(reading, source, within(source.limit, { ...reading.filter, ...piece }, each))
      if (isWhole(reading, page)) continue
      isAll = false
      for (const { pubkey } of page.events) authors.add(pubkey)
    }
    if (reading.filter.authors === undefined)
      for (const author of [...authors].slice(0, MAX_AUTHORS))
        await askPage(reading, source, within(source.limit, { ...reading.filter, authors: [author] }, each))
    if (isAll) reading.full = reading.full.filter(other => other !== each)
  }
  return false
}

function reasonOf({ ignoresUntil, cutAt, largest }: Reading, full: readonly Full[]): string {
  if (ignoresUntil) return 'it does not heed "until", so that only its first page can be read'
  const most = Math.min(cutAt, largest)
  const [first] = full
  if (first === undefined || !full.every(isOneSecond)) return 'it gives pages without an end'
  const events = most === 1 ? '1 event' : `${most} events`
  return `it gave ${events} of one second, and may give no more at once: others of that second may be missing`
}
