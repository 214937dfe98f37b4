import type { Writable } from 'node:stream'
import { errorCode, messageOf } from './errors.ts'
import { ownCommand } from './own-command.ts'
import { escapeText, inert, safeJson } from './text.ts'

/** Colours that become plain text where colour is not wanted. */
export interface Paint {
  bold(text: string): string
  dim(text: string): string
  green(text: string): string
  red(text: string): string
}

/** Where a command speaks: results on stdout, talk on stderr. Commands pass texts of others through `escapeText` or `escapeLine`; what one forgot is caught here. */
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
  /** For people; silent under `--quiet`. Commands in it are named as the reader has to type them. */
  say(text: string): void
  /** Names the commands in a text of ours as the reader has to type them: `npx posthorn …` where npx started this process. */
  commands(text: string): string
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

/** A command of ours in a text, not yet named by what starts it. */
const COMMAND = /(^|[^\w./@-])(?<!(?:npx|exec|yarn|run) )posthorn (?=[a-z<])/gm

/** Columns of a terminal that does not tell, or says 0. */
const WIDTH = 80

export function createOutput(options: OutputOptions): Output {
  const { stdout, stderr, env, json, quiet } = options
  const colourAllowed = !options.noColor && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
  const paintTalk = createPaint(colourAllowed && stderr.isTTY === true)
  const isStyled = colourAllowed && (stdout.isTTY === true || stderr.isTTY === true)
  const writeLine = (stream: Writable, text: string): void => {
    stream.write(`${inert(text, isStyled)}\n`)
  }
  const command = ownCommand(env)
  const commands = (text: string) =>
    command === 'posthorn' ? text : text.replace(COMMAND, (_, before: string) => `${before}${command} `)
  return {
    json,
    commands,
    interactive: !json && stdout.isTTY === true,
    width: stdout.isTTY === true ? stdout.columns || WIDTH : Number.POSITIVE_INFINITY,
    result: (human, fields) => writeLine(stdout, json ? safeJson({ v: 1, ...fields }) : human),
    line: value => writeLine(stdout, safeJson(value)),
    say: text => {
      if (!quiet) writeLine(stderr, commands(text))
    },
    fail: (verb, error, hint) => {
      const message = commands(messageOf(error))
      if (json) {
        writeLine(
          stderr,
          safeJson({
            v: 1,
            error: { code: errorCode(error), message, ...(hint === undefined ? {} : { hint: commands(hint) }) },
          }),
        )
        return
      }
      writeLine(
        stderr,
        `${paintTalk.red(verb === undefined ? 'posthorn:' : `posthorn ${verb}:`)} ${escapeText(message)}`,
      )
      if (hint !== undefined) writeLine(stderr, `  ${escapeText(commands(hint))}`)
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
