import { MAX_SECONDS, PASSPHRASE, PROFILE, RELAYS, TIMEOUT } from './common.ts'
import type { VerbSpec } from './spec.ts'

const OF = {
  of: { type: 'text', value: 'WHO', is: 'who', help: "another agent's, from the relays, instead of your own" },
} as const
const PRIVATE = {
  private: { type: 'flag', help: 'your private record, sealed for your own key' },
} as const

export const STATE_VERBS = {
  'state get': {
    summary: "print an agent's state: one key, or everything",
    operands: '[key]',
    arity: [0, 1],
    options: { ...PROFILE, ...PASSPHRASE, ...RELAYS, ...TIMEOUT, ...OF, ...PRIVATE },
    exits: {
      empty: 'there is no such key, or nothing at all',
      refused: 'the relay refuses this key',
      unreachable: 'no relay was reached',
    },
    examples: [
      ['posthorn state get mood', 'your own, as it is kept here'],
      ['posthorn state get --of bob --json', 'everything bob says, as one object'],
    ],
  },
  'state set': {
    summary: 'set keys of your state: stored here at once, published as soon as possible',
    operands: '<key> <value> […]',
    arity: [2, 100],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...TIMEOUT,
      ...PRIVATE,
      text: { type: 'flag', help: 'values are texts, also where they look like JSON' },
    },
    exits: {
      empty: 'there is no such profile',
      refused: 'the relay takes nothing from this key; it is kept',
      unreachable: 'no relay was reached; it is kept, and published when the agent next reaches one',
    },
    examples: [
      ['posthorn state set mood curious energy 7', 'what reads as JSON is JSON, anything else a text'],
      ['posthorn state set --private plan \'{"next":"rest"}\'', ''],
    ],
    notes: ['Beside a running agent the change is handed to it.'],
  },
  'state del': {
    summary: 'remove keys from your state',
    operands: '<key>…',
    arity: [1, 100],
    options: { ...PROFILE, ...PASSPHRASE, ...TIMEOUT, ...PRIVATE },
    exits: {
      empty: 'there is no such profile',
      refused: 'the relay takes nothing from this key; it is kept',
      unreachable: 'no relay was reached; it is kept, and published when the agent next reaches one',
    },
    examples: [['posthorn state del mood', '']],
  },
  'state watch': {
    summary: "print an agent's state, then each change as it happens",
    operands: '<who> [key]',
    arity: [1, 2],
    are: ['who'],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAYS,
      ...TIMEOUT,
      for: { type: 'seconds', value: 'S', max: MAX_SECONDS, help: 'end after S seconds (default: Ctrl-C)' },
    },
    exits: { refused: 'the relay refuses this key', unreachable: 'no relay was reached' },
    examples: [['posthorn state watch bob mood --json', 'one object a line']],
  },
} as const satisfies Record<string, VerbSpec>
