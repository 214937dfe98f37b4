import { AGENT_VERBS } from './agents.ts'
import { DOC_VERBS } from './docs.ts'
import { EVENT_VERBS } from './events.ts'
import { HELP_VERBS } from './help.ts'
import { HOST_VERBS } from './hosts.ts'
import { MAIL_VERBS } from './mail.ts'
import { PEOPLE_VERBS } from './people.ts'
import { RELAY_VERBS } from './relay.ts'
import type { VerbSpec } from './spec.ts'
import { START_VERBS } from './start.ts'
import { STATE_VERBS } from './state.ts'

export { COMMON } from './common.ts'
export { RELAY_SETTINGS } from './relay-settings.ts'
export type { OptionSpec, VerbSpec, WordKind } from './spec.ts'

/** Every verb, in the order of help. Drives parsing, help and did-you-mean; `commands/index.ts` maps each to its code. */
export const VERBS = {
  ...START_VERBS,
  ...MAIL_VERBS,
  ...PEOPLE_VERBS,
  ...AGENT_VERBS,
  ...STATE_VERBS,
  ...DOC_VERBS,
  ...HOST_VERBS,
  ...RELAY_VERBS,
  ...EVENT_VERBS,
  ...HELP_VERBS,
} as const satisfies Record<string, VerbSpec>

/** The same under the headings of help and of the reference page. A verb of no group is shown nowhere. */
export const VERB_GROUPS: readonly (readonly [title: string, verbs: Readonly<Record<string, VerbSpec>>])[] = [
  ['Start here', START_VERBS],
  ['Mail', MAIL_VERBS],
  ['People', PEOPLE_VERBS],
  ['Agents', AGENT_VERBS],
  ['State', STATE_VERBS],
  ['Shared documents', DOC_VERBS],
  ['Coding agents', HOST_VERBS],
  ['Run a relay', RELAY_VERBS],
  ['Events of any kind', EVENT_VERBS],
  ['Help', HELP_VERBS],
]

export type VerbName = keyof typeof VERBS
/** The verb that a command line begins with, and what follows it: `relay check` is a verb of two words. */
export function splitVerb([first = '', second, ...rest]: readonly string[]): [verb: string, args: readonly string[]] {
  if (second === undefined) return [first, []]
  const both = `${first} ${second}`
  return Object.hasOwn(VERBS, both) ? [both, rest] : [first, [second, ...rest]]
}

export const isVerb = (name: string): name is VerbName => Object.hasOwn(VERBS, name)
