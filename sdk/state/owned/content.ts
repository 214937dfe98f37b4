import type { Json } from './record.ts'
import { counterValue, type Entries, gaugeAt, gaugeOf, nameOfKey, setValues } from './typed.ts'
import type { StateContent } from './types.ts'

export function gaugeNow(entries: Entries, name: string, nowMs: number): number | undefined {
  const found = gaugeOf(entries, name)
  return found && gaugeAt(found, nowMs)
}

/** Names of one kind, sorted. */
export function namesOf(entries: Entries, kind: ReturnType<typeof nameOfKey>['kind']): string[] {
  const found = [...entries.under('')].map(([key]) => nameOfKey(key)).filter(each => each.kind === kind)
  return [...new Set(found.map(({ name }) => name))].sort()
}

/** Everything as it reads at a time. */
export function contentOf(entries: Entries, nowMs: number): StateContent {
  // Names are data: `__proto__` is one like others.
  const record = <T>(
    kind: ReturnType<typeof nameOfKey>['kind'],
    read: (name: string) => T,
  ): Readonly<Record<string, T>> =>
    Object.freeze(Object.fromEntries(namesOf(entries, kind).map(name => [name, read(name)])))
  return Object.freeze({
    values: record('value', key => entries.get(key) as Json),
    counters: record('counter', name => counterValue(entries, name)),
    sets: record('set', name => setValues(entries, name)),
    gauges: record('gauge', name => gaugeNow(entries, name, nowMs) ?? 0),
  })
}
