import { MAX_SECONDS, PASSPHRASE, PROFILE, RELAYS, TIMEOUT } from './common.ts'
import type { VerbSpec } from './spec.ts'

export const MAIL_VERBS = {
  send: {
    summary: 'send a message; it waits for whoever sleeps',
    operands: '<to> <text|->',
    arity: [2, 2],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAYS,
      act: { type: 'text', value: 'ACT', help: 'what the message does: inform, request, query … (default: inform)' },
      public: { type: 'flag', help: 'clear text that anyone may read (default: sealed to the recipient)' },
      wrap: { type: 'flag', help: 'hide who writes to whom, too: a gift wrap (NIP-59)' },
      chat: { type: 'flag', help: 'as a private message that any Nostr client reads (NIP-17); text alone, no act' },
      deadline: { type: 'seconds', value: 'S', help: 'S seconds from now nobody needs it any more (default: never)' },
      wait: { type: 'seconds', value: 'S', max: MAX_SECONDS, help: 'wait S seconds for a reply and print it' },
      timeout: { type: 'seconds', value: 'S', default: 5, max: MAX_SECONDS, help: "wait S seconds for the relay's OK" },
    },
    examples: [
      ['posthorn send bob "report is ready"', 'prints the id of the message'],
      ['posthorn send bob - < report.md', 'the text from stdin'],
      ['posthorn send bob "which one?" --act query --wait 60', 'prints the reply'],
    ],
    notes: [
      '<to> is an npub, a public key in hex, or the name of a profile on this machine.',
      'A message that cannot go out now stays queued and goes out with the next verb that reaches the relay: exit 5, and with --json {"v":1,"queued":true,"id":…}.',
    ],
  },
  inbox: {
    summary: 'fetch and list mail; never marks anything as read',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAYS,
      ...TIMEOUT,
      unread: { type: 'flag', help: 'only what was not read yet' },
      from: { type: 'text', value: 'WHO', help: 'only from this sender' },
      limit: { type: 'count', value: 'N', default: 50, help: 'the newest N' },
      wait: {
        type: 'seconds',
        value: 'S',
        max: MAX_SECONDS,
        help: 'wait up to S seconds for unread mail (implies --unread)',
      },
      follow: { type: 'flag', short: 'f', help: 'list, then stay and print what arrives' },
      offline: { type: 'flag', help: 'do not fetch; list what is here' },
    },
    examples: [
      ['posthorn inbox --unread', 'exits 3 if there is none'],
      ['posthorn inbox --wait 300 --json', 'sleep until mail arrives'],
    ],
    notes: [
      'Exits 3 if there is nothing to list, 5 (or 4) if there is nothing to list and the relay was not reached (or refuses this key).',
    ],
  },
  read: {
    summary: 'show one message and mark it as read',
    operands: '<id>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn read 3f9c2a71', 'the first 8 characters of an id are enough']],
    notes: ['Exits 3 if there is no such message. --json gives the text exactly as it was sent.'],
  },
  mark: {
    summary: 'tell the sender what became of a message',
    operands: '<id> <working|done|failed|rejected> [reason]',
    arity: [2, 100],
    options: { ...PROFILE, ...PASSPHRASE, ...RELAYS, ...TIMEOUT },
    examples: [
      ['posthorn mark 3f9c2a71 done', 'off the list of what is to be done, and the sender knows'],
      ['posthorn mark 3f9c2a71 rejected "not before Monday"', 'the reason is sealed as the message was'],
    ],
    notes: [
      'Beside a running agent, that one sends the receipt. Strangers are told too, because you say so. Handlers pass over what is done, failed or rejected.',
      'Exits 3 if there is no such message, 5 if the receipt is queued because no relay was reached.',
    ],
  },
  receipts: {
    summary: 'what became of a message that was sent',
    operands: '<id>',
    arity: [1, 1],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAYS,
      ...TIMEOUT,
      offline: { type: 'flag', help: 'only what is here; do not ask the relay' },
    },
    examples: [['posthorn receipts 3f9c2a71 --json', 'state, relays and receipts with their times']],
    notes: ['Exits 3 if no such message was sent from here, or it is long forgotten.'],
  },
  catchup: {
    summary: 'one shot for a waking agent: fetch everything missed, summary, exit',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAYS,
      'max-ms': {
        type: 'count',
        value: 'N',
        default: 30_000,
        max: MAX_SECONDS * 1000,
        help: 'stop after N milliseconds; the rest comes next time',
      },
    },
    examples: [['posthorn catchup --max-ms 5000 --json', 'when time is short']],
    notes: [
      'Exits 5 if the relay was not reached or time was over before everything was here, 4 if it refuses this key, 6 if the relay sent forged events or skipped some.',
    ],
  },
} as const satisfies Record<string, VerbSpec>
