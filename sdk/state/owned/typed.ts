import { StateError } from '../../errors.ts'
import {
  COUNTER,
  canonical,
  DOT,
  type Entry,
  GAUGE,
  type Json,
  MAX_NUMBER,
  numbersOf,
  withinNumbers,
} from './record.ts'

/** Reads an entry by its key, and all of them. */
export interface Entries {
  get(key: string): Json | undefined
  /** Keys beginning so, with live values. */
  under(prefix: string): Iterable<readonly [string, Json]>
}

/** Slots of one counter that are told apart; older ones are folded into one when the state is written anew. */
const KEPT_SLOTS = 8

const slotsOf = (name: string) => `${COUNTER}${name}/`
const dotsOf = (name: string) => `${DOT}${name}/`
const gaugeKey = (name: string) => `${GAUGE}${name}`

/** The sum over all slots, each of which one process alone has written: nothing is lost, whoever counts at the same time. */
export function counterValue(entries: Entries, name: string): number {
  const folded = numbersOf(entries.get(slotsOf(name)) ?? [])
  const upTo = folded[2] ?? 0
  let sum = (folded[0] ?? 0) - (folded[1] ?? 0)
  for (const [key, value] of entries.under(slotsOf(name))) {
    const slot = key.slice(slotsOf(name).length)
    if (slot === '' || orderOf(slot) <= upTo) continue
    const [up = 0, down = 0] = numbersOf(value)
    sum += up - down
  }
  return withinNumbers(sum)
}

/** What to write so that the counter of slot `slot` grows (or, below 0, shrinks) by `by`. Throws StateError where that cannot be told exactly. */
export function counted(entries: Entries, name: string, slot: string, by: number): readonly [string, Json] {
  const key = slotsOf(name) + slot
  const [up = 0, down = 0] = numbersOf(entries.get(key) ?? [])
  const [more, less] = by >= 0 ? [up + by, down] : [up, down - by]
  if (more > MAX_NUMBER || less > MAX_NUMBER)
    throw new StateError('state-malformed', `a counter counts up to ${MAX_NUMBER}, either way.`)
  return [key, [more, less]]
}

/** Slots begin with the time (12 hex of ms) at which their process started. */
const orderOf = (slot: string): number => Number.parseInt(slot.slice(0, 12), 16) || 0

/**
 * Names the slot in which a process that starts now counts: above all there are, whatever clocks say. Below, it might be taken for one
 * that was folded already.
 */
export function slotAfter(entries: Entries, name: string, nowMs: number, random: string): string {
  let order = Math.floor(nowMs)
  const folded = numbersOf(entries.get(slotsOf(name)) ?? [])[2] ?? 0
  const orders = [...entries.under(slotsOf(name))].map(([key]) => orderOf(key.slice(slotsOf(name).length)))
  for (const known of [folded, ...orders]) if (known >= order) order = known + 1
  return order.toString(16).padStart(12, '0') + random
}

/** Puts the older slots of every counter into one. */
export function foldCounters(live: Map<string, Json>): void {
  const counters = new Map<string, string[]>()
  for (const key of live.keys()) {
    const end = key.lastIndexOf('/')
    if (!key.startsWith(COUNTER) || end === key.length - 1) continue
    const prefix = key.slice(0, end + 1)
    counters.set(prefix, [...(counters.get(prefix) ?? []), key])
  }
  for (const [prefix, keys] of counters) {
    const [up = 0, down = 0, upTo = 0] = numbersOf(live.get(prefix) ?? [])
    const old = keys.sort().slice(0, -KEPT_SLOTS)
    const sum = [up, down, upTo]
    for (const key of old) {
      const order = orderOf(key.slice(prefix.length))
      const [more = 0, less = 0] = order > upTo ? numbersOf(live.get(key) ?? []) : []
      sum[0] = (sum[0] ?? 0) + more
      sum[1] = (sum[1] ?? 0) + less
      sum[2] = Math.max(sum[2] ?? 0, order)
      live.delete(key)
    }
    if (old.length > 0) live.set(prefix, sum)
  }
}

/** Elements of an add-wins set, oldest dot first. */
export function setValues(entries: Entries, name: string): Json[] {
  const found = new Map<string, Json>()
  const dots = [...entries.under(dotsOf(name))].sort(([a], [b]) => compareDots(a, b))
  for (const [, value] of dots) if (!found.has(canonical(value))) found.set(canonical(value), value)
  return [...found.values()]
}

/** `process.count`: by process, then as they were made. */
function compareDots(a: string, b: string): number {
  const [left, right] = [a.lastIndexOf('.'), b.lastIndexOf('.')]
  const [first, second] = [a.slice(0, left), b.slice(0, right)]
  if (first !== second) return first < second ? -1 : 1
  // Others may name theirs as they like: still one order for everybody.
  const [count, other] = [Number(a.slice(left + 1)) || 0, Number(b.slice(right + 1)) || 0]
  return count - other || (a < b ? -1 : 1)
}

export const hasElement = (entries: Entries, name: string, element: Json): boolean =>
  dotsWith(entries, name, element).length > 0

const dotsWith = (entries: Entries, name: string, element: Json): string[] => {
  const wanted = canonical(element)
  return [...entries.under(dotsOf(name))].flatMap(([key, value]) => (canonical(value) === wanted ? [key] : []))
}

/** A new dot, used once; the dots that were seen go. Whoever removes at the same time has not seen the new one: it stays. */
export function added(
  entries: Entries,
  name: string,
  element: Json,
  dot: string,
): readonly (readonly [string, Json])[] {
  return [...removed(entries, name, element), [dotsOf(name) + dot, element]]
}

export const removed = (entries: Entries, name: string, element: Json): readonly (readonly [string, Json])[] =>
  dotsWith(entries, name, element).map(key => [key, null] as const)

/** How a gauge behaves: where it ends, and where it goes by itself. */
export interface GaugeTerms {
  readonly min?: number
  readonly max?: number
  /** ms in which half of the distance to `rest` is gone. Without it nothing decays. */
  readonly halfLifeMs?: number
  /** Default 0. */
  readonly rest?: number
}

export interface Gauge extends Required<Omit<GaugeTerms, 'halfLifeMs'>> {
  readonly value: number
  /** ms since 1970 at which it had this value. */
  readonly at: number
  /** 0: none. */
  readonly halfLifeMs: number
}

export function gaugeOf(entries: Entries, name: string): Gauge | undefined {
  const stored = entries.get(gaugeKey(name))
  if (stored === undefined) return undefined
  const [value = 0, at = 0, halfLifeMs = 0, rest = 0, min = -MAX_NUMBER, max = MAX_NUMBER] = numbersOf(stored)
  return { value, at, halfLifeMs, rest, min, max }
}

/** Its value at a time: decay is never written, it is read. */
export function gaugeAt({ value, at, halfLifeMs, rest, min, max }: Gauge, nowMs: number): number {
  const left = halfLifeMs > 0 ? 2 ** (-Math.max(0, nowMs - at) / halfLifeMs) : 1
  // The sum is rounded: what does not decay stays what it is.
  return withinNumbers(left === 1 ? value : rest + (value - rest) * left, min, max)
}

export function gauged(
  entries: Entries,
  name: string,
  change: (value: number) => number,
  nowMs: number,
  terms: GaugeTerms = {},
): readonly [string, Json] {
  const before = gaugeOf(entries, name)
  for (const [term, each] of Object.entries(terms))
    if (each !== undefined && !(Math.abs(each) <= MAX_NUMBER && (term !== 'halfLifeMs' || each >= 0)))
      throw new StateError('state-malformed', `${term} of a gauge is a number within ±${MAX_NUMBER}, not ${each}.`)
  const rest = terms.rest ?? before?.rest ?? 0
  const halfLifeMs = terms.halfLifeMs ?? before?.halfLifeMs ?? 0
  const min = terms.min ?? before?.min ?? -MAX_NUMBER
  const max = terms.max ?? before?.max ?? MAX_NUMBER
  const now = before ? gaugeAt(before, nowMs) : withinNumbers(rest, min, max)
  const value = withinNumbers(change(now), min, max)
  return [gaugeKey(name), [value, nowMs, halfLifeMs, rest, min, max]]
}

/** Further ahead than clocks differ, ms. */
const AHEAD_MS = 60_000

/** Gauges written by a clock that was ahead would not decay until then: the same, from now on. */
export function gaugesAhead(entries: Entries, nowMs: number): (readonly [string, Json])[] {
  return [...entries.under(GAUGE)].flatMap(([key, stored]) => {
    const [value = 0, at = 0, ...terms] = numbersOf(stored)
    return at > nowMs + AHEAD_MS ? [[key, [value, nowMs, ...terms]] as const] : []
  })
}

/** What a key is called by those who use it. */
export function nameOfKey(key: string): {
  readonly kind: 'value' | 'counter' | 'set' | 'gauge'
  readonly name: string
} {
  if (key.startsWith(COUNTER)) return { kind: 'counter', name: key.slice(1, key.lastIndexOf('/')) }
  if (key.startsWith(DOT)) return { kind: 'set', name: key.slice(1, key.lastIndexOf('/')) }
  if (key.startsWith(GAUGE)) return { kind: 'gauge', name: key.slice(1) }
  return { kind: 'value', name: key }
}

/** Live entries of a map, as the functions above read them. */
export const entriesOf = (map: ReadonlyMap<string, Entry>): Entries => ({
  get: key => map.get(key)?.value ?? undefined,
  *under(prefix) {
    for (const [key, { value }] of map) if (value !== null && key.startsWith(prefix)) yield [key, value]
  },
})
