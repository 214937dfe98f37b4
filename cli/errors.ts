import { own } from '../protocol/json.ts'
import { isMisdated, parseReason } from '../protocol/reasons.ts'
import { RelayRefusedError } from '../sdk/errors.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { explainSystemError } from './system-errors.ts'

/** A failure that a command foresaw: what happened, how the process ends, and what to do next. */
export class CliError extends Error {
  override readonly name: string = 'CliError'
  readonly code: string
  readonly exit: ExitCode
  /** A next step for a person, on its own line. */
  readonly hint: string | undefined
  constructor(code: string, exit: ExitCode, message: string, options?: { hint?: string | undefined; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.exit = exit
    this.hint = options?.hint
  }
}

/** The command line itself is wrong; nothing was done. */
export class UsageError extends CliError {
  override readonly name = 'UsageError'
  constructor(message: string, hint?: string) {
    super('usage', EXIT.usage, message, { hint })
  }
}

/** Exit codes of the errors that the SDK and the platform name by `code`; every other error is a plain failure. */
const EXIT_BY_CODE: Readonly<Record<string, ExitCode>> = {
  'key-passphrase': EXIT.refused,
  'key-encrypted': EXIT.refused,
  'profile-missing': EXIT.empty,
  'profile-name': EXIT.usage,
  'no-home-folder': EXIT.usage,
  'unknown-recipient': EXIT.empty,
  'name-unknown': EXIT.empty,
  'name-unreachable': EXIT.unreachable,
  'invite-malformed': EXIT.usage,
  'invite-own': EXIT.usage,
  'ambiguous-id': EXIT.usage,
  timeout: EXIT.unreachable,
  'damaged-log': EXIT.integrity,
  'damaged-file': EXIT.integrity,
  'contacts-malformed': EXIT.integrity,
  'invites-malformed': EXIT.integrity,
  'no-log': EXIT.empty,
  'no-folder': EXIT.empty,
  'relay-unreachable': EXIT.unreachable,
  'signer-unreachable': EXIT.unreachable,
  'signer-refused': EXIT.refused,
  'doc-unknown': EXIT.empty,
  'doc-not-member': EXIT.refused,
  'doc-role': EXIT.refused,
  'doc-unreachable': EXIT.unreachable,
  'doc-not-done': EXIT.unreachable,
  'doc-name': EXIT.usage,
}

/** SQLite's words for a damaged file that was open already. */
const DAMAGED = /^SQLITE_(CORRUPT|NOTADB|FORMAT|IOERR_SHORT_READ)/

/** A relay's refusal: whether the key is at fault can be told from the standard prefix of its reason. */
export function exitCodeOfReason(reason: string): ExitCode {
  const { prefix } = parseReason(reason)
  return prefix === 'auth-required' || prefix === 'restricted' ? EXIT.refused : EXIT.failure
}

/** What to do about a relay that refuses the key, the want of one or the date; undefined for other refusals. */
export function hintOfReason(reason: string): string | undefined {
  const { prefix } = parseReason(reason)
  if (prefix === 'auth-required')
    return 'it wants to know who asks: act as a profile of yours (posthorn init makes one), with a clock that is right'
  if (prefix === 'restricted')
    return "ask the relay's owner for an invite (posthorn invite create --relay-invite) and accept it (posthorn invite accept -): mail that it refused goes out then, do not send it again; with a bare code (posthorn publish --kind 28934 --tag=- --tag claim=<code>), send again"
  if (isMisdated(reason))
    return 'the clock of this machine is wrong, or that of the relay: set it (NTP), then try again'
  return undefined
}

/** The next step for a person, if there is one. */
export function hintOf(error: unknown): string | undefined {
  if (error instanceof CliError) return error.hint
  const system = explainSystemError(error)
  if (system !== undefined) return system.hint
  return error instanceof RelayRefusedError ? hintOfReason(error.reason) : undefined
}

/** What a person is told of an error, whoever threw it: raw system errors in words. */
export function messageOf(error: unknown): string {
  return explainSystemError(error)?.message ?? (error instanceof Error ? error.message : String(error))
}

/** An error as every verb reports it. */
export const explain = (error: unknown) => ({
  code: errorCode(error),
  message: messageOf(error),
  hint: hintOf(error),
  exit: exitCodeOf(error),
})

export function errorCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'unexpected'
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return error.exit
  if (error instanceof RelayRefusedError) return exitCodeOfReason(error.reason)
  const code = errorCode(error)
  if (DAMAGED.test(code)) return EXIT.integrity
  return own(EXIT_BY_CODE, code) ?? EXIT.failure
}
