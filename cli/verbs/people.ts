import { MAX_SECONDS, PASSPHRASE, PROFILE } from './common.ts'
import type { VerbSpec } from './spec.ts'

export const PEOPLE_VERBS = {
  'contact add': {
    summary: 'add a contact: handlers run for its messages, and it can be written to by name',
    operands: '<name> <who>',
    arity: [2, 2],
    options: { ...PROFILE, ...PASSPHRASE },
    exits: { empty: 'no key was found', unreachable: 'the domain of an internet name did not answer' },
    examples: [
      ['posthorn contact add bob npub1…', 'from now on: posthorn send bob …'],
      ['posthorn contact add bob bob@example.com', 'the key that the domain names now, and its relays'],
      ['posthorn contact add bob nprofile1…', 'mail also goes to the relays it names, until bob’s own list is found'],
    ],
    notes: [
      'A key that is a contact already gets the new name. A name that another contact or profile has is refused. What waited of theirs in the request box comes into the inbox.',
      'All contact verbs are local. If an agent of the profile is running, it makes the change.',
    ],
  },
  'contact allow': {
    summary: 'allow a key: handlers run for its messages, without adding a contact',
    operands: '<who>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    are: ['who'],
    exits: { empty: 'no key was found' },
    examples: [['posthorn contact allow npub1…', 'what waited of theirs comes into the inbox']],
  },
  'contact deny': {
    summary: 'deny a key: its messages are dropped, and it is no contact any more',
    operands: '<who>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    are: ['who'],
    exits: { empty: 'no key was found' },
    examples: [['posthorn contact deny npub1…', 'undone by contact allow, or contact remove']],
  },
  'contact remove': {
    summary: 'forget a key: neither contact, nor allowed, nor denied',
    operands: '<who>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    are: ['contact'],
    exits: { empty: 'nothing was known of that key' },
    examples: [['posthorn contact remove bob', 'by name or key']],
  },
  'contact list': {
    summary: 'list contacts, and keys that were allowed or denied',
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn contact list --json', 'one object a line, with "standing"']],
    notes: ['Profiles of this machine are contacts of each other ("machine").'],
    exits: { empty: 'there are no contacts' },
  },
  'invite create': {
    summary: 'print an invite: a line of text that makes the agent that accepts it a contact',
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
      ['posthorn invite create --note "the phone"', 'send the line over a private channel'],
      ['posthorn invite create --relay-invite', 'into a relay for members, too'],
    ],
    notes: [
      'Whoever has the line first becomes the contact. It names your key, your name and your relays, and is printed once: only a hash is kept.',
      'You may sleep meanwhile. It counts when you wake, by your clock: give a long sleeper a longer --valid.',
    ],
  },
  'invite accept': {
    summary: 'accept an invite: add the inviter as a contact, add its relays, notify it',
    operands: '<invite|->',
    arity: [1, 1],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      name: {
        type: 'text',
        value: 'NAME',
        help: 'the name of the contact here (default: the name in the invite, if it is free)',
      },
      wait: { type: 'seconds', value: 'S', max: MAX_SECONDS, help: 'wait S seconds for their answer' },
      timeout: { type: 'seconds', value: 'S', default: 5, max: MAX_SECONDS, help: "wait S seconds for the relay's OK" },
    },
    exits: {
      failure: 'the inviter refused, or the invite has expired',
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
    summary: 'list the invites you made, and whether they were used',
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn invite list --json', 'one object a line']],
    notes: ['Ended ones are kept for a month.'],
    exits: { empty: 'there is none' },
  },
  'invite revoke': {
    summary: 'revoke an open invite',
    operands: '<id>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn invite revoke 3f9c', 'the beginning of an id from invite list is enough']],
    notes: ['Who has accepted it stays a contact.'],
    exits: { empty: 'no open invite has that id' },
  },
} as const satisfies Record<string, VerbSpec>
