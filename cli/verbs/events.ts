import { MAX_SECONDS, PASSPHRASE, PROFILE, RELAY, TIMEOUT } from './common.ts'
import type { VerbSpec } from './spec.ts'

export const EVENT_VERBS = {
  req: {
    summary: 'print stored events that match, one JSON per line',
    operands: "'<filter>'…",
    arity: [1, 10],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAY,
      ...TIMEOUT,
      follow: { type: 'flag', short: 'f', help: 'stay and print new ones' },
      log: { type: 'flag', help: "everything, in the order of the relay's log, page by page" },
    },
    exits: {
      empty: 'nothing matched',
      refused: 'the relay refuses this key, or strangers',
      unreachable: 'the relay was not reached, or did not answer in time',
      integrity: 'something did not verify, and was dropped',
    },
    examples: [
      [`posthorn req '{"kinds":[1],"limit":10}'`, 'the latest ten notes'],
      [`posthorn req '{}' --log --relay ws://one | posthorn publish - --relay ws://two`, 'copy a relay'],
    ],
    notes: [
      'Prints plain events, so that they can be piped into publish; with --json each line is {"v":1,"event":…} and carries "seq" where the relay gave it.',
      'Every event is verified before it is printed; a forged one is counted.',
    ],
  },
  publish: {
    summary: "publish signed events, or sign one with the profile's key",
    operands: '[event|text|-]',
    arity: [0, 1],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAY,
      ...TIMEOUT,
      kind: { type: 'count', value: 'N', max: 65_535, help: 'sign an event of this kind; the operand is its content' },
      tag: { type: 'list', value: 'NAME=VALUE', help: 'a tag of the new event; also a JSON array; repeatable' },
    },
    examples: [
      ['posthorn publish --kind 1 --tag t=posthorn "hello"', 'signs and publishes'],
      ['posthorn publish - < events.jsonl', 'signed events, one JSON per line'],
    ],
    exits: {
      failure: 'the relay did not accept every event',
      empty: 'there was nothing to publish',
      refused: 'the relay refuses this key, or strangers',
      unreachable: 'the relay was not reached, or did not answer in time',
      integrity: 'an id or signature does not hold; nothing was sent',
    },
  },
  count: {
    summary: 'count the events that match',
    operands: "'<filter>'…",
    arity: [1, 10],
    options: { ...PROFILE, ...PASSPHRASE, ...RELAY, ...TIMEOUT },
    exits: {
      refused: 'the relay refuses this key, or strangers',
      unreachable: 'the relay was not reached, or did not answer in time',
    },
    examples: [[`posthorn count '{"kinds":[1]}'`, 'prints a number']],
  },
  sync: {
    summary: 'copy to each of two relays what only the other has',
    operands: "<relay> <relay> ['<filter>']",
    arity: [2, 3],
    are: ['relay', 'relay'],
    options: {
      ...PASSPHRASE,
      dir: {
        type: 'text',
        value: 'DIR',
        is: ['both', 'to', 'from'],
        default: 'both',
        help: 'both, to (only from the first to the second) or from (only from the second to the first)',
      },
      timeout: {
        type: 'seconds',
        value: 'S',
        default: 10,
        max: MAX_SECONDS,
        help: 'give up after S seconds of silence',
      },
    },
    exits: {
      failure: 'a relay refused some events',
      refused: 'a relay refuses strangers',
      unreachable: 'a relay was not reached, or fell silent',
      integrity: 'something did not verify, and was not passed on',
    },
    examples: [
      ['posthorn sync ws://localhost:7678 wss://relay.example', 'everything, both ways'],
      [`posthorn sync ws://one ws://two '{"authors":["…"]}' --dir to`, "one author's events, from one to two"],
    ],
    notes: [
      'Only differences travel: the relays compare ids by NIP-77; where one cannot, all matching events are paged through on both.',
      'Every event is verified before it is passed on.',
    ],
  },
} as const satisfies Record<string, VerbSpec>
