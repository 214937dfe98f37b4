import { fail, ok, type Result } from './result.ts'

/** JSON.parse without the throw. Depth is safe: V8 reads a million levels, and we never re-serialise what we did not rebuild. */
export function parseJson(text: string): Result<unknown> {
  try {
    return ok(JSON.parse(text))
  } catch {
    return fail('not JSON')
  }
}

/** Levels of arrays and objects in what somebody else has written, that are taken: what walks through it must not end for want of stack. */
export const MAX_DEPTH = 64

/**
 * A parsed value as all read it alike: numbers beyond what a double holds (`1e999`) are the highest there is, and `-0` is 0. Undefined
 * if it is nested deeper than {@link MAX_DEPTH}.
 */
export function plainJson(value: unknown, depth = MAX_DEPTH): unknown {
  if (typeof value === 'number') return Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, value)) + 0
  if (typeof value !== 'object' || value === null) return value
  if (depth === 0) return undefined
  const entries = Object.entries(value).map(([key, each]) => [key, plainJson(each, depth - 1)] as const)
  if (entries.some(([, each]) => each === undefined)) return undefined
  return Array.isArray(value) ? entries.map(([, each]) => each) : Object.fromEntries(entries)
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An own property or undefined: `__proto__` and inherited names of a parsed object never answer. */
export const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** A non-negative JS-safe integer; `-0` and `1.0` arrive as 0 and 1. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
