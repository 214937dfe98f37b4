import { type Layer, peekOption, type RawValue } from './args.ts'
import { errorCode, UsageError } from './errors.ts'
import { nearest } from './suggest.ts'
import { readTextFile } from './text-bytes.ts'
import { type OptionSpec, VERBS, type VerbName, type VerbSpec } from './verbs/index.ts'

type Env = Readonly<Record<string, string | undefined>>

/**
 * What the environment and a file say for options that the command line leaves out, best first.
 * Throws {@link UsageError} for a file that cannot be read or says what nobody understands: a setting is never passed over.
 */
export async function settingLayers(verb: VerbName, args: readonly string[], env: Env): Promise<readonly Layer[]> {
  const spec: VerbSpec = VERBS[verb]
  const layers = [environmentLayer(spec, env)]
  const config = spec.options['config']
  if (config === undefined) return layers
  const file = peekOption(verb, args, 'config') ?? firstSet(config, env)?.value
  return file === undefined ? layers : [...layers, await fileLayer(verb, spec, file)]
}

/** The first of an option's variables that is set to something. */
function firstSet(option: OptionSpec, env: Env): { readonly name: string; readonly value: string } | undefined {
  for (const name of option.env ?? []) {
    const value = env[name]
    if (value !== undefined && value.trim() !== '') return { name, value: value.trim() }
  }
  return undefined
}

function environmentLayer(spec: VerbSpec, env: Env): Layer {
  const values: Record<string, RawValue> = {}
  const names: Record<string, string> = {}
  for (const [name, option] of Object.entries(spec.options)) {
    const found = firstSet(option, env)
    if (found === undefined) continue
    names[name] = found.name
    values[name] =
      option.type === 'flag' ? readFlag(found) : option.type === 'list' ? found.value.split(/\s+/) : found.value
  }
  return { origin: name => names[name] ?? 'the environment', values }
}

const FLAG_WORDS: Readonly<Record<string, boolean>> = {
  1: true,
  true: true,
  yes: true,
  on: true,
  0: false,
  false: false,
  no: false,
  off: false,
}

function readFlag({ name, value }: { readonly name: string; readonly value: string }): boolean {
  const read = Object.hasOwn(FLAG_WORDS, value.toLowerCase()) ? FLAG_WORDS[value.toLowerCase()] : undefined
  if (read === undefined) throw new UsageError(`${name} is true or false, got ${JSON.stringify(value)}`)
  return read
}

async function fileLayer(verb: VerbName, spec: VerbSpec, file: string): Promise<Layer> {
  const values: Record<string, RawValue> = {}
  for (const [name, value] of Object.entries(await readToml(file))) {
    const option = Object.hasOwn(spec.options, name) ? spec.options[name] : undefined
    if (option === undefined || name === 'config') throw unknownSetting(file, verb, spec, name)
    values[name] = rawOf(file, name, option, value)
  }
  return { origin: () => file, values }
}

async function readToml(file: string): Promise<Readonly<Record<string, unknown>>> {
  let text: string
  try {
    text = readTextFile(file)
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    throw new UsageError(`the configuration ${file} cannot be read (${errorCode(cause)})`)
  }
  // Loaded by who has such a file.
  const { parse } = await import('smol-toml')
  try {
    return parse(text)
  } catch (cause) {
    // The library adds an excerpt, which may hold what is nobody else's business.
    const [line = 'it is no TOML'] = (cause instanceof Error ? cause.message : '').split('\n')
    throw new UsageError(`${file}: ${line}`)
  }
}

function unknownSetting(file: string, verb: VerbName, spec: VerbSpec, name: string): UsageError {
  const meant = nearest(
    name,
    Object.keys(spec.options).filter(other => other !== 'config'),
  )
  const advice = meant === undefined ? `posthorn help ${verb} lists them` : `did you mean ${meant}?`
  return new UsageError(`${file}: there is no setting ${JSON.stringify(name)}; ${advice}`)
}

function rawOf(file: string, name: string, option: OptionSpec, value: unknown): RawValue {
  const wrong = (what: string) => new UsageError(`${file}: ${name} is ${what}`)
  switch (option.type) {
    case 'flag':
      if (typeof value !== 'boolean') throw wrong('true or false, without quotes')
      return value
    case 'list': {
      const items: unknown[] = Array.isArray(value) ? value : [value]
      if (!items.every(item => typeof item === 'string')) throw wrong('a list of texts, like ["a", "b"]')
      return items
    }
    case 'count':
    case 'seconds':
      if (typeof value !== 'number') throw wrong('a number, without quotes')
      return String(value)
    case 'text':
      if (typeof value !== 'string') throw wrong('a text, in quotes')
      return value
    default:
      return option.type satisfies never
  }
}
