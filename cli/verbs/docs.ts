import { MAX_SECONDS, PASSPHRASE, PROFILE, RELAYS } from './common.ts'
import type { VerbSpec } from './spec.ts'

const LOOK = {
  ...PROFILE,
  ...PASSPHRASE,
  ...RELAYS,
  timeout: { type: 'seconds', value: 'S', default: 10, max: MAX_SECONDS, help: 'wait S seconds for relays' },
} as const
const EXITS = {
  empty: 'there is no such document, or nothing in it',
  refused: 'this key is no member',
  unreachable: 'no relay has answered, and nothing of it is kept here',
} as const
const NOTE =
  'A document is <name> (own) or <owner>/<name>, the owner a contact, an npub or hex. What is kept here is shown, if no relay can be reached. Not beside a running agent of the profile: it has the document itself.'

export const DOC_VERBS = {
  'doc show': {
    summary: 'what a shared document says',
    operands: '<document>',
    arity: [1, 1],
    options: LOOK,
    exits: EXITS,
    examples: [
      ['posthorn doc show plan', 'your own'],
      ['posthorn doc show alice/plan --json', 'all of it as one object, by root'],
    ],
    notes: [NOTE],
  },
  'doc members': {
    summary: 'who may read, write and decide about a shared document',
    operands: '<document>',
    arity: [1, 1],
    options: LOOK,
    exits: EXITS,
    examples: [['posthorn doc members alice/plan', 'keys and roles']],
    notes: [NOTE],
  },
  'doc history': {
    summary: 'who changed a shared document, and when',
    operands: '<document>',
    arity: [1, 1],
    options: LOOK,
    exits: EXITS,
    examples: [['posthorn doc history plan --json', 'one object a line, oldest first']],
    notes: [NOTE, 'Times are those of their authors. What a snapshot covers is not told one by one.'],
  },
} as const satisfies Record<string, VerbSpec>
