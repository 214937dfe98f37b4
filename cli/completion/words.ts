import type { ProfileOptions } from '../profile.ts'
import { COMMON, type OptionSpec, VERBS, type VerbName, type VerbSpec, type WordKind } from '../verbs/index.ts'

/** A word that fits, and what it is. */
export interface Fitting {
  readonly word: string
  readonly help: string
}

/** What fits: words, or whatever files the shell itself finds. */
export type Answer = readonly Fitting[] | 'files' | 'folders'

/** What is on this machine, asked for only where it is needed. */
export type LocalWords = (
  kind: Exclude<WordKind, readonly string[] | 'file' | 'folder' | 'verb'>,
  profile: ProfileOptions,
) => readonly Fitting[] | Promise<readonly Fitting[]>

/** `line`: the words after `posthorn`; the last one is being typed, and may be empty. Never throws for what a person types. */
export async function fitting(line: readonly string[], local: LocalWords): Promise<Answer> {
  const typed = line.at(-1) ?? ''
  const before = line.slice(0, -1)
  const [first, second] = before
  if (first === undefined) return begins(firstWords(), typed)
  const both = `${first} ${second}`
  if (second !== undefined && Object.hasOwn(VERBS, both)) return inVerb(both as VerbName, before.slice(2), typed, local)
  const family = before.length === 1 ? secondWords(first) : []
  const own = Object.hasOwn(VERBS, first) ? await inVerb(first as VerbName, before.slice(1), typed, local) : []
  return typeof own === 'string' && family.length === 0
    ? own
    : begins([...family, ...(typeof own === 'string' ? [] : own)], typed)
}

async function inVerb(verb: VerbName, before: readonly string[], typed: string, local: LocalWords): Promise<Answer> {
  const spec: VerbSpec = VERBS[verb]
  const options: Readonly<Record<string, OptionSpec>> = { ...spec.options, ...COMMON }
  const { operands, given, waiting, profile } = read(before, options)
  if (waiting !== undefined) return values(waiting.is, typed, profile, local)
  if (verb === 'help') return begins(helpWords(operands), typed)
  if (typed.startsWith('-')) return begins(optionWords(options, given), typed)
  const kind = spec.are?.[operands.length]
  if (kind !== undefined) return values(kind, typed, profile, local)
  // Nothing but options can follow: offered without being asked for.
  return operands.length >= spec.arity[1] ? begins(optionWords(options, given), typed) : []
}

interface Read {
  readonly operands: readonly string[]
  readonly given: ReadonlySet<string>
  /** The option whose value is being typed. */
  readonly waiting: OptionSpec | undefined
  readonly profile: ProfileOptions
}

function read(words: readonly string[], options: Readonly<Record<string, OptionSpec>>): Read {
  const operands: string[] = []
  const given = new Set<string>()
  const profile: { as?: string; home?: string } = {}
  let waiting: string | undefined
  for (const word of words) {
    if (waiting !== undefined) {
      if (waiting === 'as' || waiting === 'home') profile[waiting] = word
      waiting = undefined
      continue
    }
    const name = /^--([^=]+)$/.exec(word)?.[1] ?? longOf(options, word)
    if (name !== undefined && Object.hasOwn(options, name)) {
      given.add(name)
      if (options[name]?.type !== 'flag') waiting = name
    } else if (!word.startsWith('-') || word === '-') operands.push(word)
  }
  return { operands, given, waiting: waiting === undefined ? undefined : options[waiting], profile }
}

const longOf = (options: Readonly<Record<string, OptionSpec>>, word: string): string | undefined =>
  /^-\w$/.test(word) ? Object.entries(options).find(([, { short }]) => `-${short}` === word)?.[0] : undefined

async function values(
  kind: WordKind | undefined,
  typed: string,
  profile: ProfileOptions,
  local: LocalWords,
): Promise<Answer> {
  if (kind === undefined) return []
  if (kind === 'file') return 'files'
  if (kind === 'folder') return 'folders'
  if (kind === 'verb') return begins(firstWords(), typed)
  if (typeof kind !== 'string')
    return begins(
      kind.map(word => ({ word, help: '' })),
      typed,
    )
  return begins(await local(kind, profile), typed)
}

const begins = (words: readonly Fitting[], typed: string): readonly Fitting[] =>
  words.filter(({ word }) => word.startsWith(typed))

function optionWords(options: Readonly<Record<string, OptionSpec>>, given: ReadonlySet<string>): readonly Fitting[] {
  return Object.entries(options)
    .filter(([name, { type }]) => type === 'list' || !given.has(name))
    .map(([name, { help }]) => ({ word: `--${name}`, help }))
}

/** Verbs, and the first words of those that have two. */
function firstWords(): readonly Fitting[] {
  const words = new Map<string, string>()
  for (const [verb, { summary }] of Object.entries(VERBS)) {
    const [first = verb, second] = verb.split(' ')
    if (second === undefined) words.set(first, summary)
    else if (!words.has(first))
      words.set(
        first,
        secondWords(first)
          .map(({ word }) => word)
          .join(', '),
      )
  }
  return [...words].map(([word, help]) => ({ word, help }))
}

function secondWords(first: string): readonly Fitting[] {
  return Object.entries(VERBS).flatMap(([verb, { summary }]) =>
    verb.startsWith(`${first} `) ? [{ word: verb.slice(first.length + 1), help: summary }] : [],
  )
}

const helpWords = ([first, ...more]: readonly string[]): readonly Fitting[] =>
  first === undefined ? firstWords() : more.length === 0 ? secondWords(first) : []
