import { parseArgs } from 'node:util'
import { UsageError } from './errors.ts'
import { nearest } from './suggest.ts'
import { COMMON, type OptionSpec, VERBS, type VerbName, type VerbSpec } from './verbs/index.ts'

type Specs = Readonly<Record<string, OptionSpec>>

type Value<S extends OptionSpec> = S['type'] extends 'flag'
  ? boolean
  : S['type'] extends 'list'
    ? readonly string[]
    : S['type'] extends 'text'
      ? string | (S extends { readonly default: string } ? never : undefined)
      : number | (S extends { readonly default: number } ? never : undefined)

type Values<S> = { readonly [K in keyof S]: S[K] extends OptionSpec ? Value<S[K]> : never }

/** Values as they were written, before they are read; from the command line, the environment or a file. */
export type RawValue = string | boolean | (string | boolean)[] | undefined

/** Where options come from that the command line does not give, best first. */
export interface Layer {
  /** What a person calls it: a variable's name, a file's path. */
  origin(option: string): string
  readonly values: Readonly<Record<string, RawValue>>
}

/** Options of a verb by name, typed from its entry in the table. `seconds` arrive as milliseconds. */
export type Options<V extends VerbName> = Values<(typeof VERBS)[V]['options'] & typeof COMMON>

export interface ParsedArgs<V extends VerbName> {
  readonly options: Options<V>
  readonly operands: readonly string[]
  /** Of each option where its value was given; absent where its default holds. */
  readonly origins: Readonly<Record<string, string>>
}

/** True if help was asked for anywhere before `--`: that wins over every mistake. */
export function wantsHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).some(arg => arg === '--help' || arg === '-h')
}

/** Reads what follows the verb. Throws {@link UsageError}; nothing has been done by then. */
export function parseVerbArgs<V extends VerbName>(
  verb: V,
  args: readonly string[],
  layers: readonly Layer[] = [],
): ParsedArgs<V> {
  const spec: VerbSpec = VERBS[verb]
  const specs: Specs = { ...spec.options, ...COMMON }
  const { positionals, values } = tokenize(verb, specs, args)
  const [min, max] = spec.arity
  if (positionals.length < min || positionals.length > max) throw new UsageError(arityMessage(verb, spec, positionals))
  const options: Record<string, unknown> = {}
  const origins: Record<string, string> = {}
  for (const [name, option] of Object.entries(specs)) {
    const layer = values[name] === undefined ? layers.find(({ values }) => values[name] !== undefined) : undefined
    if (layer !== undefined) origins[name] = layer.origin(name)
    else if (values[name] !== undefined) origins[name] = `--${name}`
    options[name] = layer === undefined ? readValue(name, option, values[name]) : readLayered(name, option, layer)
  }
  return { options: options as Options<V>, operands: positionals, origins }
}

function readLayered(name: string, option: OptionSpec, layer: Layer): unknown {
  try {
    return readValue(name, option, layer.values[name])
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`${layer.origin(name)}: ${error.message}`) : error
  }
}

/** The value of one text option on the command line, for what has to be known before all others are read. */
export function peekOption(verb: VerbName, args: readonly string[], name: string): string | undefined {
  const spec: VerbSpec = VERBS[verb]
  const value = tokenize(verb, { ...spec.options, ...COMMON }, args).values[name]
  return typeof value === 'string' ? value : undefined
}

function tokenize(verb: string, specs: Specs, args: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, option]) => [
      name,
      {
        type: option.type === 'flag' ? ('boolean' as const) : ('string' as const),
        multiple: option.type === 'list',
        ...(option.short === undefined ? {} : { short: option.short }),
      },
    ]),
  )
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    return { positionals: parsed.positionals, values: parsed.values as Record<string, RawValue> }
  } catch (error) {
    throw new UsageError(optionMessage(specs, args, error), `posthorn help ${verb}`)
  }
}

function optionMessage(specs: Specs, args: readonly string[], error: unknown): string {
  for (const arg of args) {
    if (arg === '--') break
    const name = /^--([^=]+)/.exec(arg)?.[1]
    if (name === undefined || Object.hasOwn(specs, name)) continue
    const meant = nearest(name, Object.keys(specs))
    return `there is no option --${name}${meant === undefined ? '' : `; did you mean --${meant}?`}`
  }
  return parserMessage(error instanceof Error ? error.message : '')
}

/** Node's parser says the same, followed by advice about itself. */
function parserMessage(said: string): string {
  const [, flag = 'an option', fault = ''] = /^Option '(?:-\w, )?(--?[\w-]+)[^']*' (.*)/.exec(said) ?? []
  if (fault.startsWith('argument')) return `${flag} needs a value; one that begins with a dash is written ${flag}=-…`
  if (fault.startsWith('does not take')) return `${flag} takes no value`
  const unknown = /^Unknown option '([^']+)'/.exec(said)?.[1]
  if (unknown !== undefined) return `there is no option ${unknown}; text that begins with a dash goes after --`
  return said.split('\n')[0] || 'the options cannot be read'
}

function arityMessage(verb: string, spec: VerbSpec, operands: readonly string[]): string {
  const [min, max] = spec.arity
  if (max === 0) {
    const [first = ''] = operands
    const members = Object.keys(VERBS).flatMap(each => (each.startsWith(`${verb} `) ? each.slice(verb.length + 1) : []))
    const meant = nearest(first, members)
    const advice = meant === undefined ? '' : `; did you mean ${verb} ${meant}?`
    return `${verb} takes no operands, got ${JSON.stringify(first)}${advice}`
  }
  const wanted = `usage: posthorn ${verb} ${spec.operands}`
  if (operands.length < min) return wanted
  return `too many words; put text with spaces in quotes (${wanted})`
}

function readValue(name: string, spec: OptionSpec, raw: RawValue): unknown {
  switch (spec.type) {
    case 'flag':
      return raw === true
    case 'list':
      return Array.isArray(raw) ? raw : []
    case 'text':
      if (raw === '') throw new UsageError(`--${name} needs a value`)
      return raw ?? spec.default
    case 'count':
    case 'seconds':
      return readNumber(name, spec, raw)
    default:
      return spec.type satisfies never
  }
}

function readNumber(name: string, spec: OptionSpec, raw: RawValue): number | undefined {
  const whole = spec.type === 'count'
  const scale = whole ? 1 : 1000
  if (raw === undefined) return typeof spec.default === 'number' ? spec.default * scale : undefined
  const text = String(raw)
  const value = Number(text)
  const form = whole ? /^\d{1,15}$/ : /^(\d{1,12}(\.\d{1,9})?|\.\d{1,9})$/
  if (!form.test(text))
    throw new UsageError(`--${name} takes ${whole ? 'a whole number' : 'seconds'}, got ${JSON.stringify(text)}`)
  if (spec.max !== undefined && value > spec.max) throw new UsageError(`--${name} is at most ${spec.max}`)
  return whole ? value : Math.round(value * scale)
}
