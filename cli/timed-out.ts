import { CliError } from './errors.ts'
import { EXIT } from './exit-codes.ts'

export const timedOut = (url: string, ms: number): CliError =>
  new CliError('timeout', EXIT.unreachable, `${url} did not answer within ${ms / 1000} s`, {
    hint: 'wait longer with --timeout S',
  })
