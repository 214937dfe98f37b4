import type { ExitCode } from '../exit-codes.ts'

/** `warn`: works, and somebody should look. `fail`: mail cannot come or go. */
export type Level = 'ok' | 'warn' | 'fail'

export interface Finding {
  /** What was looked at: one word, stable. */
  readonly check:
    | 'profile'
    | 'key'
    | 'files'
    | 'sqlite'
    | 'mail'
    | 'proxy'
    | 'relay'
    | 'clock'
    | 'discovery'
    | 'outbox'
    | 'inbox'
    | 'strangers'
    | 'state'
    | 'spool'
    | 'wake'
    | 'verifier'
  readonly level: Level
  /** What is wrong, in a word that stays; of everything that is not ok. */
  readonly code?: string
  /** Which of several: a relay's URL. */
  readonly about?: string
  readonly what: string
  /** What to do about it. */
  readonly do?: string
  /** Of a failure. */
  readonly exit?: ExitCode
}
