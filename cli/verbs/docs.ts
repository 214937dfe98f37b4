import { MAX_SECONDS, PASSPHRASE, PROFILE, RELAYS } from './common.ts'
import type { VerbSpec } from './spec.ts'

const LOOK = {
  ...PROFILE,
  ...PASSPHRASE,
  ...RELAYS,
  timeout: { type: 'seconds', value: 'S', default: 10, max: MAX_SECONDS, help: 'wait S seconds for relays' },
} as const
const DECIDE_EXITS = {
  empty: 'there is no such document, or no contact of that name',
  refused: 'this key is no admin of it, or what was named is no member',
  unreachable:
    'no relay has answered: the decision is kept and published later; or the running agent has not answered, and nothing was done',
} as const
const EXITS = {
  empty: 'there is no such document, or nothing in it',
  refused: 'this key is no member',
  unreachable: 'no relay has answered, and nothing of it is kept here',
} as const
const NOTE =
  'A document is <name> (own) or <owner>/<name>, the owner a contact, an npub or hex. What is kept here is shown, if no relay can be reached. Beside a running agent of the profile, that agent looks, at its own relays.'

const DECIDE_NOTE =
  'For admins. Taking rights away starts a new generation under a new key. If an agent of the profile is running, it does the work and answers.'

export const DOC_VERBS = {
  'doc create': {
    summary: 'make a document to share',
    operands: '<name>',
    arity: [1, 1],
    options: {
      ...LOOK,
      public: { type: 'flag', help: 'everybody who can read the relay may read it; nothing is sealed' },
    },
    exits: { unreachable: 'no relay has answered, so it is not known whether the document exists' },
    examples: [['posthorn doc create plan', 'yours, with you as its admin']],
    notes: [
      'Programs write in it: openDoc of posthorn/doc, or an editor that works with Yjs. One that is there is left as it is.',
    ],
  },
  'doc show': {
    summary: 'show the content of a shared document',
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
    summary: 'list the members of a shared document and their roles',
    operands: '<document>',
    arity: [1, 1],
    options: LOOK,
    exits: EXITS,
    examples: [['posthorn doc members alice/plan', 'keys and roles']],
    notes: [NOTE],
  },
  'doc invite': {
    summary: 'add a member to a shared document, or change a member’s role',
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
    summary: 'remove a member: a new key is used, and later changes of that member are ignored',
    operands: '<document> <who>',
    arity: [2, 2],
    are: ['who', 'who'],
    options: LOOK,
    exits: DECIDE_EXITS,
    examples: [['posthorn doc remove plan bob', '']],
    notes: [DECIDE_NOTE],
  },
  'doc compact': {
    summary: 'start a new generation of a shared document: same content, no history',
    operands: '<document>',
    arity: [1, 1],
    options: LOOK,
    exits: { ...DECIDE_EXITS, refused: 'this key is no admin of it' },
    examples: [['posthorn doc compact plan', 'says how large it was, and is now']],
    notes: [
      'Do it while the other members are connected. Edits that they have not published yet are rebased onto the new generation. An edit that cannot be rebased is reported as lost. doc show says when compaction is worth it.',
      DECIDE_NOTE,
    ],
  },
  'doc history': {
    summary: 'list the changes of a shared document: author and time',
    operands: '<document>',
    arity: [1, 1],
    options: LOOK,
    exits: EXITS,
    examples: [['posthorn doc history plan --json', 'one object a line, oldest first']],
    notes: [NOTE, 'Times are by the clocks of the authors. Changes that a snapshot covers are not listed one by one.'],
  },
} as const satisfies Record<string, VerbSpec>
