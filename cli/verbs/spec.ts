import type { ExitName } from '../exit-codes.ts'

/**
 * What a word of the command line is, so that a shell can offer values for it: fixed words, or what is on this machine.
 * `who` is a contact or profile name, `message` the id of one in the inbox, `relay` an address that a profile has.
 */
export type WordKind =
  | readonly string[]
  | 'who'
  | 'contact'
  | 'profile'
  | 'message'
  | 'relay'
  | 'verb'
  | 'file'
  | 'folder'

/** One option of a verb. `seconds` takes decimals; `count` is a whole number from 0; `list` may be repeated. */
export interface OptionSpec {
  readonly type: 'flag' | 'text' | 'count' | 'seconds' | 'list'
  readonly help: string
  /** Placeholder in help. */
  readonly value?: string
  readonly short?: string
  readonly default?: string | number
  readonly max?: number
  /** Environment variables that give it where the command line does not, best first. Lists are split at white space. */
  readonly env?: readonly string[]
  /** What its value is. */
  readonly is?: WordKind
}

export interface VerbSpec {
  readonly summary: string
  /** What follows the verb and is no option, as help shows it. */
  readonly operands: string
  /** How many operands are taken. */
  readonly arity: readonly [min: number, max: number]
  /** What they are, in order. */
  readonly are?: readonly WordKind[]
  readonly options: Readonly<Record<string, OptionSpec>>
  readonly examples: readonly (readonly [command: string, what: string])[]
  /** What exit codes mean here; 0 (done), 1 (failed), 2 (wrong usage) and 130 (interrupted) mean it everywhere. */
  readonly exits?: Readonly<Partial<Record<ExitName, string>>>
  /** What a reader of the help must know beyond the options; one paragraph each. */
  readonly notes?: readonly string[]
}
