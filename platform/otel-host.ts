import type { OpenTelemetryApi } from './otel.ts'

/** Where `@opentelemetry/api` 1.x, of any copy, keeps what the program has registered. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

/**
 * Node, Bun and Deno: the API, if the program has set OpenTelemetry up before and if `@opentelemetry/api` can be reached from here; one that was
 * set up through a copy that we cannot see has to be handed over. Otherwise this costs one look at a global.
 */
export async function registeredOpenTelemetry(): Promise<OpenTelemetryApi | undefined> {
  const registered: unknown = Reflect.get(globalThis, REGISTERED)
  if (typeof registered !== 'object' || registered === null || !('trace' in registered)) return undefined
  try {
    return await import('@opentelemetry/api')
  } catch {
    return undefined
  }
}
