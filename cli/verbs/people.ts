import { MAX_SECONDS, PASSPHRASE, PROFILE } from './common.ts'
import type { VerbSpec } from './spec.ts'

export const PEOPLE_VERBS = {
  'contact add': {
    summary: 'know somebody by name: handlers run for them, and they can be written to',
    operands: '<name> <who>',
    arity: [2, 2],
    options: { ...PROFILE, ...PASSPHRASE },
    exits: { empty: 'that is nobody' },
    examples: [
      ['posthorn contact add bob npub1…', 'from now on: posthorn send bob …'],
      ['posthorn contact add bob nprofile1…', 'mail also goes to the relays it names, until bob’s own list is found'],
    ],
    notes: [
      'A key that is a contact already gets the new name. What waited of theirs in the request box comes into the inbox.',
      'Local, as all contact verbs; beside a running agent the change is handed to it.',
    ],
  },
  'contact allow': {
    summary: 'have the work of a key done, without a name for it',
    operands: '<who>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    are: ['who'],
    exits: { empty: 'that is nobody' },
    examples: [['posthorn contact allow npub1…', 'what waited of theirs comes into the inbox']],
  },
  'contact deny': {
    summary: 'keep nothing of what a key sends; if it was a contact, it is none any more',
    operands: '<who>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    are: ['who'],
    exits: { empty: 'that is nobody' },
    examples: [['posthorn contact deny npub1…', 'undone by contact allow, or contact remove']],
  },
  'contact remove': {
    summary: 'a stranger again: neither contact, nor allowed, nor denied',
    operands: '<who>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    are: ['contact'],
    exits: { empty: 'nothing was known of that key' },
    examples: [['posthorn contact remove bob', 'by name or key']],
  },
  'contact list': {
    summary: 'contacts, and keys that were allowed or denied',
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn contact list --json', 'one object a line, with "standing"']],
    notes: ['Profiles of this machine are contacts of each other ("machine").'],
    exits: { empty: 'there is nobody' },
  },
  'invite create': {
    summary: 'print a line that makes whoever accepts it a contact',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      uses: { type: 'count', value: 'N', default: 1, help: 'how many may accept it' },
      valid: { type: 'seconds', value: 'S', default: 604_800, help: 'for S seconds (the default is a week)' },
      note: { type: 'text', value: 'TEXT', help: 'for your own list; not in the invite' },
      qr: { type: 'flag', help: 'draw it as a QR code, too (on stderr; always done on a terminal)' },
      'no-qr': { type: 'flag', help: 'draw none' },
      'relay-invite': {
        type: 'flag',
        help: 'the first relay is for members and yours: fetch a code, so that accepting joins it (one use)',
      },
    },
    exits: {
      refused: 'with --relay-invite: the relay gives this key no code; there is no invite',
      unreachable: 'with --relay-invite: the relay was not reached; there is no invite',
    },
    examples: [
      ['posthorn invite create --note "the phone"', 'hand the line over on a way nobody else reads'],
      ['posthorn invite create --relay-invite', 'into a relay for members, too'],
    ],
    notes: [
      'Whoever has the line first becomes the contact. It names your key, your name and your relays, and is printed once: only a hash is kept.',
      'You may sleep meanwhile. It counts when you wake, by your clock: give a long sleeper a longer --valid.',
    ],
  },
  'invite accept': {
    summary: 'make whoever invited a contact, add their relays, tell them',
    operands: '<invite|->',
    arity: [1, 1],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      name: { type: 'text', value: 'NAME', help: 'what to call them here (default: their own word, if it is free)' },
      wait: { type: 'seconds', value: 'S', max: MAX_SECONDS, help: 'wait S seconds for their answer' },
      timeout: { type: 'seconds', value: 'S', default: 5, max: MAX_SECONDS, help: "wait S seconds for the relay's OK" },
    },
    exits: {
      failure: 'they said no, or the invite is over',
      refused: 'its relay lets this key not in',
      unreachable: 'what tells them is queued; or, with --wait, they have not answered yet',
    },
    examples: [
      ["posthorn invite accept 'posthorn:npub1…'", 'in quotes: the line has characters that shells read'],
      ['posthorn invite accept - < invite.txt', 'not in the history of the shell'],
    ],
    notes: [
      'Contact and relays are set at once; what tells the inviter goes out as mail does. Accepted again, nothing is sent twice.',
      'An invite with a code for its relay joins that first; if that fails nothing is changed.',
    ],
  },
  'invite list': {
    summary: 'invites that were given out, and what became of them',
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn invite list --json', 'one object a line']],
    notes: ['Ended ones are kept for a month.'],
    exits: { empty: 'there is none' },
  },
  'invite revoke': {
    summary: 'take an open invite back',
    operands: '<id>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn invite revoke 3f9c', 'the beginning of an id from invite list is enough']],
    notes: ['Who has accepted it stays a contact.'],
    exits: { empty: 'no open invite has that id' },
  },
} as const satisfies Record<string, VerbSpec>
