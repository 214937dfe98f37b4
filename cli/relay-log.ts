import type { CliHost } from './context.ts'
import { UsageError } from './errors.ts'
import { escapeLine, safeJson } from './text.ts'

type Level = 'info' | 'warn' | 'error'
type Fields = Readonly<Record<string, string | number>>

/** What a running relay tells its operator: events by name with fields. Never a message, a filter's values or a key. */
export type RelayLog = (level: Level, event: string, fields?: Fields) => void

/** Text for people, or one JSON object a line (`time` in ISO 8601) for machines; on stderr. Throws {@link UsageError}. */
export function createRelayLog(format: string, { stderr, clock }: Pick<CliHost, 'stderr' | 'clock'>): RelayLog {
  switch (format) {
    case 'json':
      return (level, event, fields = {}) => {
        const time = new Date(clock.now()).toISOString()
        stderr.write(`${safeJson({ time, level, event, ...fields })}\n`)
      }
    case 'text':
      return (level, event, fields = {}) => {
        const time = new Date(clock.now()).toISOString().slice(11, 19)
        const rest = Object.entries(fields).map(([name, value]) => `${name}=${escapeLine(String(value))}`)
        stderr.write(`${[time, level, event, ...rest].join(' ')}\n`)
      }
    default:
      throw new UsageError(`--log-format is text or json, got ${JSON.stringify(format)}`)
  }
}

/** An error as fields: its name, code and message, on one line. */
export const errorFields = (error: unknown): Fields => {
  if (!(error instanceof Error)) return { error: String(error) }
  const { code } = error as { code?: unknown }
  return { error: error.message.replaceAll(/\s+/g, ' '), ...(code === undefined ? {} : { code: String(code) }) }
}
