import { fail, ok, type Result } from './result.ts'

/** JSON.parse without the throw. Depth is safe: V8 reads a million levels, and we never re-serialise what we did not rebuild. */
export function parseJson(text: string): Result<unknown> {
  try {
    return ok(JSON.parse(text))
  } catch {
    return fail('not JSON')
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An own property or undefined: `__proto__` and inherited names of a parsed object never answer. */
export const own = (record: Record<string, unknown>, key: string): unknown =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** A non-negative JS-safe integer; `-0` and `1.0` arrive as 0 and 1. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
