import { MAX_SECONDS, PASSPHRASE, PROFILE, RELAYS } from './common.ts'
import type { VerbSpec } from './spec.ts'

const LOOK = {
  ...PROFILE,
  ...PASSPHRASE,
  ...RELAYS,
  timeout: { type: 'seconds', value: 'S', default: 10, max: MAX_SECONDS, help: 'wait S seconds for relays' },
} as const
const DECIDE_EXITS = {
  empty: 'there is no such document, or nobody called so',
  refused: 'this key is no admin of it, or what was named is no member',
  unreachable:
    'no relay has answered, and what was decided is kept, and told later; or the running agent did not, and nothing is done',
} as const
const EXITS = {
  empty: 'there is no such document, or nothing in it',
  refused: 'this key is no member',
  unreachable: 'no relay has answered, and nothing of it is kept here',
} as const
const NOTE =
  'A document is <name> (own) or <owner>/<name>, the owner a contact, an npub or hex. What is kept here is shown, if no relay can be reached. Beside a running agent of the profile, that agent looks, at its own relays.'

const DECIDE_NOTE =
  'For admins. To give somebody less than before, or nothing, begins a new generation under a new key. Beside a running agent of the profile, that agent does it and answers.'

export const DOC_VERBS = {
  'doc create': {
    summary: 'make a document to share',
    operands: '<name>',
    arity: [1, 1],
    options: {
      ...LOOK,
      public: { type: 'flag', help: 'everybody who can read the relay may read it; nothing is sealed' },
    },
    exits: { unreachable: 'no relay has answered, and so nobody knows whether it is there already' },
    examples: [['posthorn doc create plan', 'yours, with you as its admin']],
    notes: [
      'Programs write in it: openDoc of posthorn/doc, or an editor that works with Yjs. One that is there is left as it is.',
    ],
  },
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
  'doc invite': {
    summary: 'make somebody a member of a shared document, or give it another role',
    operands: '<document> <who>',
    arity: [2, 2],
    are: ['who', 'who'],
    options: {
      ...LOOK,
      role: {
        type: 'text',
        value: 'ROLE',
        default: 'snapshot',
        is: ['read', 'write', 'snapshot', 'admin'],
        help: 'read; write; snapshot: also fold what all wrote; admin: also decide about members',
      },
    },
    exits: DECIDE_EXITS,
    examples: [
      ['posthorn doc invite plan bob', 'bob may read and write'],
      ['posthorn doc invite plan npub1… --role read', 'a reader'],
    ],
    notes: [DECIDE_NOTE],
  },
  'doc remove': {
    summary: 'end a membership: new key, and what that member writes counts nowhere any more',
    operands: '<document> <who>',
    arity: [2, 2],
    are: ['who', 'who'],
    options: LOOK,
    exits: DECIDE_EXITS,
    examples: [['posthorn doc remove plan bob', '']],
    notes: [DECIDE_NOTE],
  },
  'doc compact': {
    summary: 'begin a shared document anew with the same content and without its past',
    operands: '<document>',
    arity: [1, 1],
    options: LOOK,
    exits: { ...DECIDE_EXITS, refused: 'this key is no admin of it' },
    examples: [['posthorn doc compact plan', 'says how large it was, and is now']],
    notes: [
      'For a moment when the others are there: what one of them wrote unheard is said again only where its place can be told, which needs all the rest; else it is told as lost. doc show says when it is worth it.',
      DECIDE_NOTE,
    ],
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
