import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect } from 'vitest'
import type { main } from '#dist/cli/main.js'
import type { OUTPUTS } from '#dist/cli/schemas/index.js'
import { systemClock } from '#dist/platform/clock.js'
import { systemTimers } from '#dist/platform/timers.js'
import { collector, type Outcome, outcome, posthorn, type RunOptions } from '../posthorn.ts'

const work = process.env['POSTHORN_PACKED'] ?? ''
/** Where `posthorn` is on the path. */
export const BIN_FOLDER = join(work, 'bin')
export const PACKED_BIN = join(work, 'package/dist/cli/posthorn.js')
chmodSync(PACKED_BIN, 0o755)

/** A module of the package, not of the checkout. */
const load = (path: string) => import(pathToFileURL(join(work, 'package/dist', path)).href)
const packed = (await load('cli/main.js')) as { main: typeof main }
const { OUTPUTS: outputs, ERROR } = (await load('cli/schemas/index.js')) as { OUTPUTS: typeof OUTPUTS; ERROR: object }
const { splitVerb } = (await load('cli/verbs/index.js')) as { splitVerb(args: readonly string[]): [string, string[]] }

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictTypes: false, strictRequired: false })
const isError = ajv.compile(ERROR)
const validators = new Map(Object.entries(outputs).map(([verb, schema]) => [verb, ajv.compile(schema)]))

/** Which exit codes each verb was seen to end with. */
export const seen = new Map<string, Set<number | null>>()

/** Holds what was printed against the verb's schema, and remembers how it ended. */
function judge(args: readonly string[], ended: Outcome): Outcome {
  const [verb] = splitVerb(args)
  const codes = seen.get(verb) ?? new Set()
  seen.set(verb, codes.add(ended.code))
  const shown = `${args.join(' ')}: ${ended.stdout}${ended.stderr}`
  expect(ended.stderr, shown).not.toContain('    at ')
  if (!args.includes('--json') || args.includes('--help')) return ended
  const validate = validators.get(verb)
  if (validate === undefined) throw new Error(`${verb} has no schema in cli/schemas`)
  for (const line of ended.lines)
    if (!validate(JSON.parse(line))) throw new Error(`${shown}\n${ajv.errorsText(validate.errors)}`)
  for (const line of ended.stderr.split('\n'))
    if (line.startsWith('{') && !isError(JSON.parse(line)))
      throw new Error(`${shown}\n${ajv.errorsText(isError.errors)}`)
  return ended
}

/** As a process, piped. */
export const user = async (args: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
  judge(args, await posthorn(args, { bin: PACKED_BIN, ...options }))

/** The same code inside this process, for the many small variations; `tty`: stdout and stderr are terminals. */
export async function inPackage(
  args: readonly string[],
  options: RunOptions & { readonly tty?: boolean } = {},
): Promise<Outcome> {
  const [out, err] = [collector(), collector()]
  const tty = { isTTY: options.tty ?? false }
  const code = await packed.main(args, {
    stdout: Object.assign(out.stream, tty),
    stderr: Object.assign(err.stream, tty),
    env: { HOME: '/nonexistent', PATH: process.env['PATH'], ...options.env },
    signal: options.signal ?? new AbortController().signal,
    clock: systemClock,
    timers: systemTimers,
    stdin: Readable.from([options.input ?? '']),
    readStdin: async () => options.input ?? '',
    stdinIsTerminal: false,
    readSecret: options.readSecret,
  })
  return judge(args, outcome(code, out.text(), err.text()))
}
