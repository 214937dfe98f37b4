import type { Json, StateContent } from '../sdk/index.ts'
import { escapeText } from './text.ts'

/** A key of any kind: a value before a counter, a set, a gauge of the same name. */
export function lookUp(content: StateContent, key: string): Json | undefined {
  for (const part of [content.values, content.counters, content.sets, content.gauges] as const)
    if (Object.hasOwn(part, key)) return part[key]
  return undefined
}

/** Texts as they are, anything else as JSON. */
export const valueText = (value: Json): string => escapeText(typeof value === 'string' ? value : JSON.stringify(value))

/** One line each. */
export function contentLines({ values, counters, sets, gauges }: StateContent): string[] {
  const lines = (part: Readonly<Record<string, Json>>, note: string) =>
    Object.entries(part).map(([key, value]) => `${escapeText(key)}: ${valueText(value)}${note}`)
  return [
    ...lines(values, ''),
    ...lines(counters, '  (counter)'),
    ...lines(sets, '  (set)'),
    ...lines(gauges, '  (gauge)'),
  ]
}
