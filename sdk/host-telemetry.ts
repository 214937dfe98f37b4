import { noTelemetry, openTelemetry, type Telemetry } from './telemetry.ts'

/** Where `@opentelemetry/api` 1.x, of any copy, keeps what the program has registered. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

/**
 * Node, Bun and Deno: spans go to OpenTelemetry if the program has set it up before, and if `@opentelemetry/api` can be reached
 * from here. Otherwise this costs one look at a global.
 */
export async function hostTelemetry(): Promise<Telemetry> {
  const registered: unknown = Reflect.get(globalThis, REGISTERED)
  if (typeof registered !== 'object' || registered === null || !('trace' in registered)) return noTelemetry
  try {
    return openTelemetry(await import('@opentelemetry/api'))
  } catch {
    // Set up through a copy that we cannot see: the program can hand its own over (`telemetry`).
    return noTelemetry
  }
}
