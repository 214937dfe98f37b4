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
}

export interface VerbSpec {
  readonly summary: string
  /** What follows the verb and is no option, as help shows it. */
  readonly operands: string
  /** How many operands are taken. */
  readonly arity: readonly [min: number, max: number]
  readonly options: Readonly<Record<string, OptionSpec>>
  readonly examples: readonly (readonly [command: string, what: string])[]
  /** What a reader of the help must know beyond the options; one paragraph each. */
  readonly notes?: readonly string[]
}
