import { EXIT_CODES, type ExitName } from './exit-codes.ts'
import type { Output } from './output.ts'
import { columns, fold } from './text.ts'
import { COMMON, type OptionSpec, VERB_GROUPS, VERBS, type VerbName, type VerbSpec } from './verbs/index.ts'

/** Where help is shown. */
type Page = Pick<Output, 'paint' | 'width'>

/** One screen of 24 lines and 80 columns, for `posthorn` alone. */
export const firstScreen = ({ paint }: Pick<Page, 'paint'>): string =>
  [
    'Posthorn: a relay, and mail for agents that sleep.',
    '',
    paint.bold('Try'),
    ...columns([
      ['posthorn demo', 'see it work, in a few seconds'],
      ['posthorn relay', 'run a relay at ws://localhost:7678'],
      ['posthorn init', 'make a profile: a key with a name'],
      ['posthorn send default "hello"', 'write to yourself'],
      ['posthorn inbox', 'read it'],
    ]),
    '',
    paint.bold('Verbs'),
    ...columns(VERB_GROUPS.map(([title, verbs]) => [title, familiesOf(Object.keys(verbs)).join(', ')])),
    '',
    ...columns([
      ['posthorn help', 'each verb in a line, common options, exit codes'],
      ['posthorn help <verb>', 'one verb: examples, options, exit codes'],
    ]),
  ].join('\n')

/** Verbs of two words under their first: `card …`. */
const familiesOf = (verbs: readonly string[]): string[] => [
  ...new Set(
    verbs.map(verb =>
      verbs.some(each => each.startsWith(`${verb.split(' ')[0]} `)) ? `${verb.split(' ')[0]} …` : verb,
    ),
  ),
]

/** All verbs, for `posthorn help`. */
export function overview({ paint, width }: Page): string {
  return [
    'Posthorn: a relay, and mail for agents that sleep.',
    '',
    paint.bold('Try'),
    ...columns([
      ['posthorn demo', 'see it work, in a few seconds'],
      ['posthorn relay', 'run a relay at ws://localhost:7678'],
      ['posthorn init && posthorn send default "hello"', 'make a profile, write to yourself'],
    ]),
    '',
    ...VERB_GROUPS.flatMap(([title, verbs]) => [
      paint.bold(title),
      ...columns(
        Object.entries(verbs).map(([name, { operands, summary }]) => [`${name} ${operands}`.trim(), summary]),
        width,
      ),
      '',
    ]),
    paint.bold('Options of every verb'),
    ...columns(optionRows(COMMON), width),
    '',
    paint.bold('Exit codes'),
    ...columns(
      Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning]),
      width,
    ),
    '',
    'posthorn help <verb> says more. Results go to stdout, everything else to stderr.',
  ].join('\n')
}

/** One verb: examples first. */
export function verbHelp(verb: VerbName, { paint, width }: Page): string {
  const spec: VerbSpec = VERBS[verb]
  const own = optionRows(spec.options)
  const operands = spec.operands === '' ? '' : ` ${spec.operands}`
  return [
    `posthorn ${verb}${operands}${own.length > 0 ? ' [options]' : ''}`,
    `  ${spec.summary}`,
    '',
    paint.bold('Examples'),
    ...spec.examples.flatMap(([command, what]) => [
      `  ${command}`,
      ...(what === '' ? [] : [`      ${paint.dim(what)}`]),
    ]),
    ...(own.length > 0 ? ['', paint.bold('Options'), ...columns(own, width)] : []),
    '',
    paint.bold('Options of every verb'),
    ...columns(optionRows(COMMON), width),
    ...(spec.exits === undefined ? [] : ['', paint.bold('Exit codes here'), ...columns(exitRows(spec.exits), width)]),
    ...(spec.notes ?? []).flatMap(note => ['', ...fold(note, width)]),
  ].join('\n')
}

export function optionRows(options: Readonly<Record<string, OptionSpec>>): [string, string][] {
  return Object.entries(options).map(([name, option]) => {
    const short = option.short === undefined ? '' : `, -${option.short}`
    const isTime = option.type === 'seconds'
    const value = option.type === 'flag' ? '' : isTime ? ' SECONDS' : ` ${option.value ?? 'VALUE'}`
    const standard = option.default === undefined ? '' : ` (default: ${option.default}${isTime ? ' s' : ''})`
    return [`--${name}${short}${value}`, `${option.help}${standard}`]
  })
}

/** By code. */
export const exitRows = (exits: NonNullable<VerbSpec['exits']>): [string, string][] =>
  (Object.entries(exits) as [ExitName, string][])
    .map(([name, meaning]): [number, string] => [EXIT_CODES[name].code, meaning])
    .sort(([a], [b]) => a - b)
    .map(([code, meaning]) => [String(code), meaning])

/** The verbs that begin with a word which is none itself, for `posthorn card` and `posthorn help card`. */
export function familyHelp(first: string, { paint, width }: Page): string | undefined {
  const rows = Object.entries(VERBS).flatMap(([verb, { operands, summary }]): [string, string][] =>
    verb.startsWith(`${first} `) ? [[`${verb} ${operands}`.trim(), summary]] : [],
  )
  if (rows.length === 0) return undefined
  return [
    `posthorn ${first} …`,
    '',
    paint.bold('Verbs'),
    ...columns(rows, width),
    '',
    `posthorn help ${first} <verb> tells more.`,
  ].join('\n')
}
