import { PASSPHRASE, PROFILE, RELAYS, TIMEOUT } from './common.ts'
import type { VerbSpec } from './spec.ts'

export const START_VERBS = {
  demo: {
    summary: 'a tour in one terminal: relays and two agents are killed, wake and catch up; every line is checked',
    operands: '',
    arity: [0, 0],
    options: { fast: { type: 'flag', help: 'do not wait for Enter between chapters (waits at a terminal only)' } },
    examples: [
      ['posthorn demo', 'two minutes to read; exits 0 only if every claim it prints held'],
      ['posthorn demo --fast', 'a few seconds'],
      ['posthorn demo --json', 'one object with each claim and the figures'],
    ],
    notes: ['Runs in a temporary folder on free ports and removes everything at the end.'],
  },
  init: {
    summary: 'make a profile: a key, a home, a relay',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      encrypt: { type: 'flag', help: 'keep the key under a passphrase (NIP-49), an existing one too' },
      ...PASSPHRASE,
      signer: { type: 'flag', help: 'the key stays with a remote signer (NIP-46), whose bunker:// token is asked for' },
      'signer-file': {
        type: 'text',
        value: 'FILE',
        is: 'file',
        env: ['POSTHORN_SIGNER_FILE'],
        help: "with --signer: where the signer's token is (default: ask on the terminal)",
      },
      nostrconnect: { type: 'flag', help: 'the other way round: prints a text to take to the remote signer' },
      relay: {
        type: 'list',
        value: 'URL',
        help: 'remember this relay (default: ws://localhost:7678); several: repeat it, or commas',
      },
      discovery: {
        type: 'list',
        value: 'URL',
        help: 'look for the relays of others there, too, and publish the own ones; no mail goes there. At most 4: repeat it, or commas; "none" for no more',
      },
    },
    examples: [
      ['posthorn init', 'the profile "default"'],
      ['posthorn init --as bob --relay wss://relay.example', 'another one, on another relay'],
      ['posthorn init --relay wss://one.example,wss://two.example', 'mail goes to both, and survives either'],
      ['posthorn init --discovery wss://lists.example', 'found by npub by all who look there, too'],
      ['posthorn init --as bob --signer', 'the key of bob never comes to this machine'],
    ],
    notes: [
      'An existing profile keeps its key; --relay then changes its relays, --discovery where others are looked for. Profiles of one machine know each other by name.',
      'With --encrypt the key is kept under a passphrase, asked for on the terminal or read from a file of yours alone (--passphrase-file, POSTHORN_PASSPHRASE_FILE); every verb that signs or opens mail then needs it the same way. Without the passphrase the key is lost.',
      'With --signer or --nostrconnect the home keeps only the key that the signer knows this profile by; anyone who has that key may sign until the signer revokes it, so it is protected in the same way. A token holds a secret: there is no flag for it; it is asked for, or read from a file that only you can read.',
    ],
  },
  'key passphrase': {
    summary: "change the passphrase of the profile's key, give it one, or take it away",
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      'new-passphrase-file': {
        type: 'text',
        value: 'FILE',
        is: 'file',
        env: ['POSTHORN_NEW_PASSPHRASE_FILE'],
        help: 'where the new passphrase is (default: ask on the terminal, twice)',
      },
      remove: { type: 'flag', help: 'keep the key in clear from now on' },
    },
    exits: { empty: 'there is no such profile', refused: 'that is not its passphrase; nothing was changed' },
    examples: [['posthorn key passphrase --as bob', 'asks for the one before and twice for the new one']],
    notes: ['The key stays the same. Copies of the file made before still open with what they were made with.'],
  },
  whoami: {
    summary: "show the profile's name, public key, nprofile, relays and folder",
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE },
    exits: { empty: 'there is no such profile' },
    examples: [['posthorn whoami --as bob', 'the nprofile is what to give to others so that they can write to bob']],
  },
  status: {
    summary: 'show relays, outgoing queue, unread mail',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAYS,
      ...TIMEOUT,
      offline: { type: 'flag', help: 'do not ask the relay' },
    },
    examples: [['posthorn status --json', 'for scripts']],
    exits: {
      failure: 'the disk is full or cannot be written: nothing can be received or sent',
      empty: 'there is no such profile',
      refused: 'the relay refuses this key',
      unreachable: 'no relay was reached',
      integrity: 'a file of the profile is damaged',
    },
    notes: [
      'With --json, “synced” is true if every relay was read to its end (null if none was asked from here), “published” if nothing that was sent, set or edited here waits or failed for good, “allWell” if “problems” is empty and relays were asked. Each problem has a stable “code”.',
    ],
  },
  doctor: {
    summary: 'check this profile and its relays; each finding says what to do',
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE, ...PASSPHRASE, ...RELAYS, ...TIMEOUT },
    exits: {
      empty: 'there is no such profile',
      refused: 'a relay refuses this key',
      unreachable: 'a relay cannot be reached',
      integrity: 'what a relay sent does not hold, or a file of the profile is damaged',
    },
    examples: [
      ['posthorn doctor', 'exits 0 if mail can come and go'],
      [
        'posthorn doctor --json',
        '{"ok":…,"allWell":…,"findings":[{"check":…,"level":"ok|warn|fail","code":…,"what":…,"do":…}]}',
      ],
    ],
    notes: [
      'Looks at the key and who can read it, the files with mail and state (the structure of each is read), each relay (reachable, AUTH, log order, clock, what waits there), what waits to be sent, dead letters, state and documents that are at no relay yet, strangers and the verifier. Writes and removes one file to try the disk; changes nothing else and marks nothing as read. It works while an agent is running, too.',
      'Warnings leave the exit code at 0; otherwise it is that of the first failure.',
    ],
  },
} as const satisfies Record<string, VerbSpec>
