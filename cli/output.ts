import type { Writable } from 'node:stream'
import { errorCode, messageOf } from './errors.ts'
import { escapeText, safeJson } from './text.ts'

/** Colours that become plain text where colour is not wanted. */
export interface Paint {
  bold(text: string): string
  dim(text: string): string
  green(text: string): string
  red(text: string): string
}

/** Where a command speaks: results on stdout, talk on stderr. Every text of others passes through `escapeText` on its way. */
export interface Output {
  readonly json: boolean
  /** A person reads results as they come: a terminal, and no JSON. */
  readonly interactive: boolean
  /** Columns of the terminal that results go to; infinite where that is none. */
  readonly width: number
  /** One result: with `--json` the object as a line with `"v":1` in front, else the text. */
  result(human: string, fields: Readonly<Record<string, unknown>>): void
  /** One line of data that is JSON in both modes, such as an event. */
  line(value: unknown): void
  /** For people; silent under `--quiet`. */
  say(text: string): void
  /** An error, in both modes on stderr. */
  fail(verb: string | undefined, error: unknown, hint?: string): void
  /** Colours for stdout. */
  readonly paint: Paint
  /** Colours for stderr. */
  readonly paintTalk: Paint
}

export interface OutputOptions {
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly json: boolean
  readonly quiet: boolean
  readonly noColor: boolean
}

/** Columns of a terminal that does not tell, or says 0. */
const WIDTH = 80

export function createOutput(options: OutputOptions): Output {
  const { stdout, stderr, env, json, quiet } = options
  const colourAllowed = !options.noColor && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
  const paintTalk = createPaint(colourAllowed && stderr.isTTY === true)
  const writeLine = (stream: Writable, text: string): void => {
    stream.write(`${text}\n`)
  }
  return {
    json,
    interactive: !json && stdout.isTTY === true,
    width: stdout.isTTY === true ? stdout.columns || WIDTH : Number.POSITIVE_INFINITY,
    result: (human, fields) => writeLine(stdout, json ? safeJson({ v: 1, ...fields }) : human),
    line: value => writeLine(stdout, safeJson(value)),
    say: text => {
      if (!quiet) writeLine(stderr, text)
    },
    fail: (verb, error, hint) => {
      const message = messageOf(error)
      if (json) {
        writeLine(
          stderr,
          safeJson({ v: 1, error: { code: errorCode(error), message, ...(hint === undefined ? {} : { hint }) } }),
        )
        return
      }
      writeLine(
        stderr,
        `${paintTalk.red(verb === undefined ? 'posthorn:' : `posthorn ${verb}:`)} ${escapeText(message)}`,
      )
      if (hint !== undefined) writeLine(stderr, `  ${escapeText(hint)}`)
      if (env['POSTHORN_DEBUG'] && error instanceof Error) writeLine(stderr, escapeText(String(error.stack)))
    },
    paint: createPaint(colourAllowed && stdout.isTTY === true),
    paintTalk,
  }
}

export function createPaint(colour: boolean): Paint {
  const style = (on: number, off: number) => (text: string) => (colour ? `\u001b[${on}m${text}\u001b[${off}m` : text)
  return { bold: style(1, 22), dim: style(2, 22), green: style(32, 39), red: style(31, 39) }
}
