import { DATA, KEEP } from './common.ts'
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
    summary: 'what a relay started the same way would run with, and who said so',
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
  'relay check': {
    summary: "is a relay's log, or a backup, what was stored? beside a running relay, too",
    operands: '[backup]',
    arity: [0, 1],
    options: { ...DATA, deep: { type: 'flag', help: 'also check every signature' } },
    examples: [['posthorn relay check --deep', 'exits 0 if all is sound, 6 if not, and lists what is damaged']],
    notes: [
      'Checks the structure of the file, every event against its id, and indexes, marks and tombstones against the events. Damaged events are never served; published again, they heal.',
    ],
  },
  'relay prune': {
    summary: 'take old events out of the log of a stopped relay',
    operands: '',
    arity: [0, 0],
    options: { ...DATA, ...KEEP, 'dry-run': { type: 'flag', help: 'only say how many' } },
    examples: [['posthorn relay prune --keep 1059:forever --keep 30d', 'all but gift wraps older than 30 days']],
    notes: [
      'A running relay prunes by itself what its own --keep says. Nothing is pruned from a damaged log (exit 6). What is pruned is gone for good; back up first.',
    ],
  },
  'relay backup': {
    summary: "copy a relay's log into one file, beside a running relay, too",
    operands: '<file>',
    arity: [1, 1],
    options: { ...DATA },
    examples: [
      ['posthorn relay backup posthorn-$(date +%F).db', 'checked, complete up to one seq, readable by you only'],
    ],
    notes: ['Exits 6 if the log is damaged; no backup is made then. The file holds private mail.'],
  },
  'relay restore': {
    summary: 'put a backup into the folder of a stopped relay',
    operands: '<file>',
    arity: [1, 1],
    options: { ...DATA, force: { type: 'flag', help: 'even if there is a log; it is set aside, not deleted' } },
    examples: [['posthorn relay restore posthorn-2026-01-31.db --data /srv/relay', 'then start the relay as usual']],
    notes: [
      'Exits 6 if the backup is damaged; nothing is changed then. The next start begins a new epoch, so that clients who have seen more than the backup holds are told so.',
    ],
  },
} as const satisfies Record<string, VerbSpec>
