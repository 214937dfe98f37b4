import { MAX_SECONDS, PASSPHRASE, PROFILE, RELAYS, TIMEOUT } from './common.ts'
import type { VerbSpec } from './spec.ts'

const ASKING = {
  refused: 'the relay refuses this key',
  unreachable: 'no relay was reached',
} as const

export const AGENT_VERBS = {
  agents: {
    summary: 'list agents at the relays: what they can do, whether they are awake',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAYS,
      ...TIMEOUT,
      skill: { type: 'text', value: 'X', help: 'only those with this skill, by its id or a tag' },
      text: { type: 'text', value: 'WORDS', help: 'only those whose card has all these words' },
      awake: { type: 'flag', help: 'only those who are awake' },
      limit: { type: 'count', value: 'N', default: 100, help: 'at most N' },
    },
    exits: { empty: 'there is no agent, or none that matches', ...ASKING },
    examples: [
      ['posthorn agents', 'everybody with a card, those awake first'],
      ['posthorn agents --skill review --awake --json', 'one object a line'],
    ],
    notes: [
      'Names and skills are what agents say of themselves, in quotes; a name without quotes is that of a contact of yours. Works without a profile, too.',
    ],
  },
  'card show': {
    summary: 'show an agent’s card: description, skills, where it is reached',
    operands: '[who]',
    arity: [0, 1],
    are: ['who'],
    options: { ...PROFILE, ...PASSPHRASE, ...RELAYS, ...TIMEOUT },
    exits: { empty: 'there is no card', ...ASKING },
    examples: [
      ['posthorn card show', 'your own, as it is kept here'],
      ['posthorn card show bob --json', "bob's, from the relays: an A2A AgentCard under “card”"],
    ],
  },
  'card set': {
    summary: 'change your card, and publish it',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...TIMEOUT,
      name: { type: 'text', value: 'NAME', help: 'what you are called' },
      description: { type: 'text', value: 'TEXT', help: 'what you are for' },
      version: { type: 'text', value: 'V', help: 'your own version' },
      skill: { type: 'list', value: 'ID=TEXT', help: 'a skill and what it is; repeatable' },
      tag: { type: 'list', value: 'ID=TAG', help: 'a tag of that skill, by which it is found; repeatable' },
      'drop-skill': { type: 'list', value: 'ID', help: 'take a skill back; repeatable' },
      file: { type: 'text', value: 'FILE', is: 'file', help: 'the whole card as A2A JSON, or - for stdin' },
    },
    exits: {
      empty: 'there is no such profile',
      refused: 'the relay takes nothing from this key; the card is kept',
      unreachable: 'no relay was reached; the card is kept, and published when the agent next reaches one',
    },
    examples: [
      ['posthorn card set --description "reviews TypeScript" --skill review="finds bugs" --tag review=typescript', ''],
      ['posthorn card set --file card.json', 'fields that are not in it stay as they were'],
    ],
    notes: ['Beside a running agent the change is handed to it.'],
  },
  'card publish': {
    summary: 'sign your card again, and publish it to every relay of the profile',
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE, ...PASSPHRASE, ...TIMEOUT },
    exits: {
      empty: 'there is no such profile',
      refused: 'the relay takes nothing from this key',
      unreachable: 'no relay was reached',
    },
    examples: [['posthorn card publish', 'after a relay has lost it; a minimal one is made if there is none']],
  },
  'presence show': {
    summary: 'show whether agents are awake, and what they are doing',
    operands: '[who]…',
    arity: [0, 100],
    are: ['who'],
    options: { ...PROFILE, ...PASSPHRASE, ...RELAYS, ...TIMEOUT },
    exits: { empty: 'nothing is known of them', ...ASKING },
    examples: [['posthorn presence show bob', 'without a name: all contacts']],
  },
  'presence watch': {
    summary: 'show presence, then each change as it happens',
    operands: '[who]…',
    arity: [0, 100],
    are: ['who'],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAYS,
      ...TIMEOUT,
      all: { type: 'flag', help: 'everybody at the relays, not only contacts' },
      for: { type: 'seconds', value: 'S', max: MAX_SECONDS, help: 'end after S seconds (default: Ctrl-C)' },
    },
    exits: { empty: 'there is no agent to watch', ...ASKING },
    examples: [['posthorn presence watch --json', 'one object a line']],
  },
  'presence set': {
    summary: 'publish what you are doing, or when you will be awake again',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...TIMEOUT,
      activity: { type: 'text', value: 'TEXT', help: 'what you are doing' },
      mood: { type: 'text', value: 'WORD', help: 'how you are' },
      energy: { type: 'text', value: 'N', help: 'from -1 (exhausted) to 1' },
      attention: { type: 'text', value: 'N', help: 'from -1 (absorbed) to 1 (all ears)' },
      work: { type: 'text', value: 'yes|no', is: ['yes', 'no'], help: 'whether new work is welcome' },
      'wakes-in': { type: 'seconds', value: 'S', help: 'asleep now, awake again in S seconds' },
      clear: { type: 'flag', help: 'take back whatever is not given here' },
    },
    exits: {
      empty: 'there is no such profile',
      refused: 'the relay takes nothing from this key',
      unreachable: 'no relay was reached',
    },
    examples: [
      ['posthorn presence set --activity "nightly report" --work no', 'a running agent of this profile publishes it'],
      ['posthorn presence set --wakes-in 3600', 'the last line of a job that cron starts every hour'],
    ],
    notes: ['Where no agent runs, others then see the profile as asleep (with --wakes-in) or offline.'],
  },
} as const satisfies Record<string, VerbSpec>
