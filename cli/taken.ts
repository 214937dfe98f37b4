import type { RelayAnswer } from '../sdk/index.ts'
import { CliError, exitCodeOfReason, hintOfReason } from './errors.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Output } from './output.ts'
import { escapeLine, escapeText } from './text.ts'

/** Characters shown of a reason. */
const REASON_WIDTH = 160

export interface TakenOptions {
  /** Which command reports, and of what: "the card". */
  readonly verb: string
  readonly what: string
  /** What becomes of it where no relay took it. */
  readonly otherwise: string
}

/**
 * Reports what relays answered to something published: 0 if one of them took it. Each one that did not is named with its reason. Where none
 * took it, the exit code is that of a refusal, if there was one; else no relay was reached or answered in time.
 */
export function reportTaken(out: Output, answers: readonly RelayAnswer[], options: TakenOptions): ExitCode {
  const { verb, what, otherwise } = options
  const refused = answers.filter(({ accepted }) => accepted === false)
  if (answers.some(({ accepted }) => accepted)) {
    for (const { relay, message } of answers.filter(({ accepted }) => !accepted))
      out.say(`${escapeText(relay)} did not take ${what}: ${escapeLine(message, REASON_WIDTH)}`)
    return EXIT.ok
  }
  if (refused.length > 0) {
    for (const { relay, message } of refused)
      out.fail(
        verb,
        new CliError('refused', exitCodeOfReason(message), `${relay} refused ${what}: ${message}`),
        hintOfReason(message),
      )
    out.say(otherwise)
    return exitCodeOfReason(refused[0]?.message ?? '')
  }
  const silent = answers.map(({ relay, message }) => `${relay}: ${message}`).join('; ')
  const why = silent === '' ? 'no relay was reached' : `no relay has taken ${what} (${silent})`
  out.fail(verb, new CliError('relay-unreachable', EXIT.unreachable, why), 'posthorn doctor says why')
  out.say(otherwise)
  return EXIT.unreachable
}
