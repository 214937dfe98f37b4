import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../platform/clock.ts'
import type { Timers } from '../platform/timers.ts'
import type { ParsedArgs } from './args.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Output } from './output.ts'
import type { VerbName } from './verbs/index.ts'

/** The process around a command, behind an interface. */
export interface CliHost {
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by Ctrl-C, SIGTERM or, unless {@link onReload} took it, SIGHUP: stop, clean up, return. */
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly timers: Timers
  readonly stdin: Readable
  /** All of it, as UTF-8, a byte order mark included: it may be part of a message. Rejects with UsageError on bytes that are no text. */
  readonly readStdin: () => Promise<string>
  readonly stdinIsTerminal: boolean
  /** From now on SIGHUP calls this; a hang-up of the terminal still ends the command. */
  readonly onReload?: (run: () => void) => void
  /** Asks a person for what must not be seen. Undefined where there is no terminal. */
  readonly readSecret?: ((prompt: string) => Promise<string>) | undefined
  /** Asks a person yes or no. Undefined where there is no terminal. */
  readonly confirm?: ((question: string) => Promise<boolean>) | undefined
}

export interface Context<V extends VerbName> extends CliHost, ParsedArgs<V> {
  readonly out: Output
  /** The same command line with environment and file as they are now. Rejects with UsageError. */
  readonly readAgain: () => Promise<ParsedArgs<V>>
}

/** One verb. Foreseen failures are thrown as errors with a `code`; the number returned is the exit code. */
export type Command<V extends VerbName> = (context: Context<V>) => Promise<ExitCode>
