import { isUtf8 } from 'node:buffer'
import type { Ran } from './run-command.ts'

/** What the end of a command means for its message. */
export type Verdict =
  | { readonly kind: 'done'; readonly answer: string | undefined }
  | { readonly kind: 'rejected'; readonly reason: string }
  /** Tried again, then failed. The reason goes to the sender: it tells nothing of this machine. */
  | { readonly kind: 'again'; readonly reason: string }
  | { readonly kind: 'stopped' }
  /** The command line is at fault, not the message. */
  | { readonly kind: 'unusable'; readonly reason: string }

/** sysexits.h EX_NOPERM: will not, as opposed to cannot. */
export const REJECTED = 77
/** What shells answer when a command cannot be executed, or is not found. */
const NOT_RUN: readonly number[] = [126, 127]

export function verdictOf(ran: Ran, timeLimitMs: number): Verdict {
  switch (ran.end) {
    case 'exit': {
      // One newline at the end belongs to the shell.
      const said = new TextDecoder('utf-8', { ignoreBOM: true }).decode(ran.stdout).replace(/\r?\n$/, '')
      // Bytes that are no text would arrive as something else.
      if (ran.code === 0 && !isUtf8(ran.stdout))
        return { kind: 'again', reason: 'the answer of its command is not text in UTF-8' }
      if (ran.code === 0) return { kind: 'done', answer: said === '' ? undefined : said }
      if (ran.code === REJECTED) return { kind: 'rejected', reason: said.trim() || 'rejected' }
      if (NOT_RUN.includes(ran.code))
        return { kind: 'unusable', reason: `the command cannot be run (the shell's exit code is ${ran.code})` }
      return { kind: 'again', reason: `its command exited with ${ran.code}` }
    }
    case 'signal':
      return { kind: 'again', reason: `its command was ended by ${ran.name}` }
    case 'time':
      return { kind: 'again', reason: `its command took longer than ${timeLimitMs / 1000} s` }
    case 'too-long':
      return { kind: 'again', reason: 'the answer of its command is too long for a message' }
    case 'stopped':
      return { kind: 'stopped' }
    case 'unstartable':
      return { kind: 'unusable', reason: `the shell cannot be started: ${ran.reason}` }
    default:
      return ran satisfies never
  }
}
