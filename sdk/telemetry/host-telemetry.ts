import { registeredOpenTelemetry } from '../../platform/otel-host.ts'
import { noTelemetry, openTelemetry, type Telemetry } from './telemetry.ts'

/** Spans go to OpenTelemetry if the program has set it up before; otherwise nowhere. */
export async function hostTelemetry(): Promise<Telemetry> {
  const api = await registeredOpenTelemetry()
  return api === undefined ? noTelemetry : openTelemetry(api)
}
