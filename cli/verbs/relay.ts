import { DATA, KEEP, MAX_SECONDS, PASSPHRASE, PROFILE, RELAY } from './common.ts'
import { RELAY_SETTINGS } from './relay-settings.ts'
import type { VerbSpec } from './spec.ts'

export const RELAY_VERBS = {
  relay: {
    summary: 'run a relay',
    operands: '',
    arity: [0, 0],
    options: RELAY_SETTINGS,
    examples: [
      ['posthorn relay', 'ws://localhost:7678, this machine only'],
      [
        'posthorn relay --host 0.0.0.0 --public-url wss://relay.example.com --owner npub1… --members',
        'a relay for a team',
      ],
      ['posthorn relay --port 0 --json', 'the first line of stdout is {"v":1,"listening":"ws://host:port"}'],
    ],
    notes: [
      'Bound to loopback and without a public URL it is open to programs of this machine, unthrottled. Otherwise rates and connection limits hold.',
      'Each option may also come from the environment (--public-url as POSTHORN_PUBLIC_URL, lists separated by spaces; PORT and RENDER_EXTERNAL_URL are understood) or from a file: posthorn help relay config.',
      'SIGTERM or Ctrl-C finishes what was accepted and exits 0; a second one exits at once. Killing it at any time is safe: OK means synced.',
      'SIGHUP reads the file again: keep, require-auth, members, min-pow, allow-kinds, allow-origin, slow-query and log-format change with every connection open; what needs a restart is named. From a terminal a hang-up ends it.',
    ],
  },
  'relay config': {
    summary: 'print the settings that a relay started the same way would use, and where each comes from',
    operands: '',
    arity: [0, 0],
    options: {
      ...RELAY_SETTINGS,
      'show-origin': { type: 'flag', help: 'also tell which flag, variable or file gave each value' },
      example: { type: 'flag', help: 'print a commented file with every setting instead' },
    },
    examples: [
      ['posthorn relay config --example > posthorn.toml', 'a file to start from'],
      ['posthorn relay config --config posthorn.toml --show-origin', 'what holds, before you start it'],
    ],
    notes: [
      'Flags win over the environment, the environment over the file, the file over the defaults. Starts nothing.',
    ],
  },
  'relay top': {
    summary: 'watch a running relay: rates, latencies, subscriptions, agents, log head',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...PASSPHRASE,
      ...RELAY,
      metrics: {
        type: 'text',
        value: 'URL',
        help: 'its /metrics, for latencies and rates by kind (posthorn relay --metrics)',
      },
      every: { type: 'seconds', value: 'S', default: 2, max: MAX_SECONDS, help: 'look every S seconds' },
      count: { type: 'count', value: 'N', help: 'look N times, then end (default: Ctrl-C, or 1 without a terminal)' },
      timeout: { type: 'seconds', value: 'S', default: 5, help: 'give up on an answer after S seconds' },
    },
    exits: {
      failure: 'this relay tells no numbers',
      unreachable: 'it was not reached',
    },
    examples: [
      ['posthorn relay top', 'live on a terminal; elsewhere one plain look'],
      ['posthorn relay top --relay wss://relay.example.com --metrics http://localhost:9464', 'with latencies'],
      ['posthorn relay top --json --count 10', 'one object a line'],
    ],
    notes: [
      'Reads /stats, which every Posthorn relay serves, and asks for cards and presence as any client does. A request that fails is reported, and tried again.',
    ],
  },
  'relay check': {
    summary: "check a relay's log or a backup for damage; also while the relay runs",
    operands: '[backup|folder]',
    arity: [0, 1],
    are: ['file'],
    options: { ...DATA, deep: { type: 'flag', help: 'also check every signature' } },
    exits: { empty: 'there is no log', integrity: 'something is damaged; it is listed' },
    examples: [['posthorn relay check --deep', 'exits 0 if all is sound, 6 if not, and lists what is damaged']],
    notes: [
      'Checks the structure of the file, every event against its id, and indexes, marks and tombstones against the events. Damaged events are never served; published again, they heal.',
    ],
  },
  'relay prune': {
    summary: 'remove old events from the log of a stopped relay',
    operands: '',
    arity: [0, 0],
    options: { ...DATA, ...KEEP, 'dry-run': { type: 'flag', help: 'only say how many' } },
    exits: { empty: 'there is no log', integrity: 'the log is damaged; nothing was pruned' },
    examples: [['posthorn relay prune --keep 1059:forever --keep 30d', 'all but gift wraps older than 30 days']],
    notes: [
      'A running relay prunes by itself what its own --keep says. What is pruned is gone for good; back up first.',
    ],
  },
  'relay backup': {
    summary: "copy a relay's log into one file; also while the relay runs",
    operands: '<file>',
    arity: [1, 1],
    are: ['file'],
    options: { ...DATA },
    examples: [
      ['posthorn relay backup posthorn-$(date +%F).db', 'checked, complete up to one seq, readable by you only'],
    ],
    exits: { empty: 'there is no log', integrity: 'the log is damaged; no backup was made' },
    notes: ['The file holds private mail.'],
  },
  'relay restore': {
    summary: 'put a backup into the folder of a stopped relay',
    operands: '<file>',
    arity: [1, 1],
    are: ['file'],
    options: { ...DATA, force: { type: 'flag', help: 'even if there is a log; it is renamed, not deleted' } },
    exits: { empty: 'there is no such backup', integrity: 'the backup is damaged; nothing was changed' },
    examples: [['posthorn relay restore posthorn-2026-01-31.db --data /srv/relay', 'then start the relay as usual']],
    notes: ['The next start begins a new epoch, so that clients that have seen more than the backup holds notice it.'],
  },
} as const satisfies Record<string, VerbSpec>
