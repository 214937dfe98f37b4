/** One option of a verb. `seconds` takes decimals; `count` is a whole number from 0; `list` may be repeated. */
export interface OptionSpec {
  readonly type: 'flag' | 'text' | 'count' | 'seconds' | 'list'
  readonly help: string
  /** Placeholder in help. */
  readonly value?: string
  readonly short?: string
  readonly default?: string | number
  readonly max?: number
  /** Environment variables that give it where the command line does not, best first. Lists are split at white space. */
  readonly env?: readonly string[]
}

export interface VerbSpec {
  readonly summary: string
  /** What follows the verb and is no option, as help shows it. */
  readonly operands: string
  /** How many operands are taken. */
  readonly arity: readonly [min: number, max: number]
  readonly options: Readonly<Record<string, OptionSpec>>
  readonly examples: readonly (readonly [command: string, what: string])[]
  /** What a reader of the help must know beyond the options; one paragraph each. */
  readonly notes?: readonly string[]
}

/** Taken by every verb. */
export const COMMON = {
  json: { type: 'flag', help: 'machine-readable: one JSON object, or one per line, each with "v":1' },
  quiet: { type: 'flag', short: 'q', help: 'say nothing on stderr but errors' },
  'no-color': { type: 'flag', help: 'no colour, whatever the terminal (also NO_COLOR)' },
  help: { type: 'flag', short: 'h', help: 'this help' },
} as const satisfies Record<string, OptionSpec>

const PROFILE = {
  as: { type: 'text', value: 'NAME', help: 'the profile to act as (default: default)' },
  home: { type: 'text', value: 'DIR', help: "the profile's folder itself (also POSTHORN_HOME)" },
} as const satisfies Record<string, OptionSpec>

const PASSPHRASE = {
  'passphrase-file': {
    type: 'text',
    value: 'FILE',
    env: ['POSTHORN_PASSPHRASE_FILE'],
    help: 'where the passphrase of an encrypted key is (default: ask on the terminal)',
  },
} as const satisfies Record<string, OptionSpec>

const RELAY = {
  relay: { type: 'text', value: 'URL', help: "this relay instead of the profile's" },
} as const satisfies Record<string, OptionSpec>

const RELAYS = {
  relay: { type: 'list', value: 'URL', help: "this relay instead of the profile's; several: repeat it, or commas" },
} as const satisfies Record<string, OptionSpec>

const TIMEOUT = {
  timeout: { type: 'seconds', value: 'S', default: 10, help: 'give up on the relay after S seconds' },
} as const satisfies Record<string, OptionSpec>

const DATA = {
  data: {
    type: 'text',
    value: 'DIR',
    env: ['POSTHORN_DATA'],
    help: 'where events are kept (default: ~/.local/share/posthorn-relay)',
  },
} as const satisfies Record<string, OptionSpec>

const KEEP = {
  keep: {
    type: 'list',
    value: 'RULE',
    env: ['POSTHORN_KEEP'],
    help: 'how long events stay: 30d, 12h, 100000 (events), 1,7:90d (kinds), 1059:forever; repeatable, the first that names a kind decides (default: forever)',
  },
} as const satisfies Record<string, OptionSpec>

/** Everything a relay can be told, by flag, environment or file alike. */
export const RELAY_SETTINGS = {
  host: { type: 'text', value: 'HOST', default: '127.0.0.1', env: ['POSTHORN_HOST'], help: 'address to listen on' },
  port: {
    type: 'count',
    value: 'PORT',
    default: 7678,
    max: 65_535,
    env: ['POSTHORN_PORT', 'PORT'],
    help: 'port to listen on; 0 takes a free one',
  },
  ...DATA,
  ...KEEP,
  'public-url': {
    type: 'list',
    value: 'URL',
    env: ['POSTHORN_PUBLIC_URL', 'RENDER_EXTERNAL_URL'],
    help: 'the URL that clients dial, wss://…; repeatable',
  },
  owner: {
    type: 'list',
    value: 'KEY',
    env: ['POSTHORN_OWNER'],
    help: 'npub or hex of who owns the relay and may invite; kept; repeatable',
  },
  'require-auth': {
    type: 'text',
    value: 'WHAT',
    env: ['POSTHORN_REQUIRE_AUTH'],
    help: 'AUTH before write, read or all',
  },
  'no-search': {
    type: 'flag',
    env: ['POSTHORN_NO_SEARCH'],
    help: 'no search for words (NIP-50), and no index for it',
  },
  members: {
    type: 'flag',
    env: ['POSTHORN_MEMBERS'],
    help: 'only owners and who they invited (NIP-43) may write and read',
  },
  'min-pow': {
    type: 'count',
    value: 'BITS',
    max: 64,
    env: ['POSTHORN_MIN_POW'],
    help: 'proof of work that every event must carry (NIP-13)',
  },
  'allow-kinds': {
    type: 'list',
    value: 'KINDS',
    env: ['POSTHORN_ALLOW_KINDS'],
    help: 'keep only these, like 1,4700; repeatable',
  },
  'trusted-proxy': {
    type: 'list',
    value: 'CIDR',
    env: ['POSTHORN_TRUSTED_PROXY'],
    help: 'believe its X-Forwarded-For: a block, or loopback, private, cloudflare; repeatable',
  },
  'allow-origin': {
    type: 'list',
    value: 'ORIGIN',
    env: ['POSTHORN_ALLOW_ORIGIN'],
    help: 'let pages of this origin reach a local relay; repeatable',
  },
  verifier: {
    type: 'text',
    value: 'TIER',
    default: 'auto',
    env: ['POSTHORN_VERIFIER'],
    help: 'what checks signatures: native (libsecp256k1 of the system), wasm, noble, or the first that is there',
  },
  metrics: {
    type: 'text',
    value: '[HOST:]PORT',
    env: ['POSTHORN_METRICS'],
    help: 'serve /metrics for Prometheus on a port of its own (default host: 127.0.0.1)',
  },
  'backup-dir': {
    type: 'text',
    value: 'DIR',
    env: ['POSTHORN_BACKUP_DIR'],
    help: 'make checked backups of the log there while it runs (default: none)',
  },
  'backup-every': {
    type: 'count',
    value: 'HOURS',
    default: 24,
    max: 8_760,
    env: ['POSTHORN_BACKUP_EVERY'],
    help: 'hours between two of them',
  },
  'backup-keep': {
    type: 'count',
    value: 'N',
    default: 7,
    max: 10_000,
    env: ['POSTHORN_BACKUP_KEEP'],
    help: 'the newest so many stay',
  },
  'log-format': {
    type: 'text',
    value: 'FORMAT',
    default: 'text',
    env: ['POSTHORN_LOG_FORMAT'],
    help: 'what is said on stderr while it runs: text, or json (one object a line)',
  },
  'slow-query': {
    type: 'seconds',
    value: 'S',
    default: 0.5,
    env: ['POSTHORN_SLOW_QUERY'],
    help: 'tell of questions that took longer; 0 tells of all',
  },
  'allow-ephemeral': {
    type: 'flag',
    env: ['POSTHORN_ALLOW_EPHEMERAL'],
    help: 'start although the platform throws the data folder away at every deploy',
  },
  config: {
    type: 'text',
    value: 'FILE',
    env: ['POSTHORN_CONFIG'],
    help: 'a TOML file with any of these; posthorn relay config --example prints one',
  },
} as const satisfies Record<string, OptionSpec>

/** The longest that timers can wait, in whole seconds. */
const MAX_SECONDS = 2_147_483

/** Every verb, in the order of help. Drives parsing, help and did-you-mean; `commands/index.ts` maps each to its code. */
export const VERBS = {
  demo: {
    summary: 'relay and two agents in one terminal: send to a sleeper, kill, wake, catch up, all checked',
    operands: '',
    arity: [0, 0],
    options: {},
    examples: [
      ['posthorn demo', 'a few seconds; exits 0 only if every claim it prints held'],
      ['posthorn demo --json', 'one object with each claim and the figures'],
    ],
    notes: ['Runs in a temporary folder on free ports and removes everything at the end.'],
  },
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
  init: {
    summary: 'make a profile: a key, a home, a relay',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      encrypt: { type: 'flag', help: 'keep the key under a passphrase (NIP-49), an existing one too' },
      ...PASSPHRASE,
      relay: {
        type: 'list',
        value: 'URL',
        help: 'remember this relay (default: ws://localhost:7678); several: repeat it, or commas',
      },
    },
    examples: [
      ['posthorn init', 'the profile "default"'],
      ['posthorn init --as bob --relay wss://relay.example', 'another one, on another relay'],
      ['posthorn init --relay wss://one.example,wss://two.example', 'mail goes to both, and survives either'],
    ],
    notes: [
      'An existing profile keeps its key; --relay then changes its relays. Profiles of one machine know each other by name.',
      'With --encrypt the key is kept under a passphrase, asked for on the terminal or read from a file of yours alone (--passphrase-file, POSTHORN_PASSPHRASE_FILE); every verb that signs or opens mail then needs it the same way. Without the passphrase the key is lost.',
    ],
  },
  whoami: {
    summary: "the profile's name, public key, relay and folder",
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE },
    examples: [['posthorn whoami --as bob', 'what to give to others so that they can write to bob']],
  },
  status: {
    summary: 'relay, outgoing queue, unread mail',
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
    notes: ['Exits 5 if no relay can be reached.'],
  },
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
  'contact add': {
    summary: 'know somebody by name: handlers run for them, and they can be written to',
    operands: '<name> <who>',
    arity: [2, 2],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn contact add bob npub1…', 'from now on: posthorn send bob …']],
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
    examples: [['posthorn contact allow npub1…', 'what waited of theirs comes into the inbox']],
  },
  'contact deny': {
    summary: 'keep nothing of what a key sends; if it was a contact, it is none any more',
    operands: '<who>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn contact deny npub1…', 'undone by contact allow, or contact remove']],
  },
  'contact remove': {
    summary: 'a stranger again: neither contact, nor allowed, nor denied',
    operands: '<who>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn contact remove bob', 'by name or key; exits 3 if nothing was known of it']],
  },
  'contact list': {
    summary: 'contacts, and keys that were allowed or denied',
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn contact list --json', 'one object a line, with "standing"']],
    notes: ['Profiles of this machine are contacts of each other ("machine"). Exits 3 if there is nobody.'],
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
      'relay-invite': {
        type: 'flag',
        help: 'the first relay is for members and yours: fetch a code, so that accepting joins it (one use)',
      },
    },
    examples: [
      ['posthorn invite create --note "the phone"', 'hand the line over on a way nobody else reads'],
      ['posthorn invite create --relay-invite', 'into a relay for members, too'],
    ],
    notes: [
      'Whoever has the line first becomes the contact. It names your key, your name and your relays, and is printed once: only a hash is kept.',
      'You may sleep meanwhile. It counts when you wake, by your clock: give a long sleeper a longer --valid.',
      'With --relay-invite exits 5 if the relay is not reached, 4 if it gives this key no code; then there is no invite.',
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
    examples: [
      ["posthorn invite accept 'posthorn:npub1…'", 'in quotes: the line has characters that shells read'],
      ['posthorn invite accept - < invite.txt', 'not in the history of the shell'],
    ],
    notes: [
      'Contact and relays are set at once; what tells the inviter goes out as mail does: exit 5 and "queued" if not yet. Accepted again, nothing is sent twice.',
      'An invite with a code for its relay joins that first: exit 5 or 4 if that fails, and nothing is changed.',
      'With --wait: exit 0 once they answered, 1 if they said no, 5 if they have not answered yet.',
    ],
  },
  'invite list': {
    summary: 'invites that were given out, and what became of them',
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn invite list --json', 'one object a line']],
    notes: ['Ended ones are kept for a month. Exits 3 if there is none.'],
  },
  'invite revoke': {
    summary: 'take an open invite back',
    operands: '<id>',
    arity: [1, 1],
    options: { ...PROFILE, ...PASSPHRASE },
    examples: [['posthorn invite revoke 3f9c', 'the beginning of an id from invite list is enough']],
    notes: ['Who has accepted it stays a contact. Exits 3 if no open invite has that id.'],
  },
  req: {
    summary: 'stored events that match, one JSON per line',
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
    examples: [
      [`posthorn req '{"kinds":[1],"limit":10}'`, 'the latest ten notes'],
      [`posthorn req '{}' --log --relay ws://one | posthorn publish - --relay ws://two`, 'copy a relay'],
    ],
    notes: [
      'Prints plain events, so that they can be piped into publish; with --json each line is {"v":1,"event":…} and carries "seq" where the relay told it.',
      'Every event is verified before it is printed; a forged one is counted and makes the exit code 6. Exits 3 if nothing matched.',
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
    notes: [
      'Exits 0 only if the relay accepted every event; 4 if it refuses the key, 6 if an id or signature does not hold.',
    ],
  },
  count: {
    summary: 'how many events match',
    operands: "'<filter>'…",
    arity: [1, 10],
    options: { ...PROFILE, ...PASSPHRASE, ...RELAY, ...TIMEOUT },
    examples: [[`posthorn count '{"kinds":[1]}'`, 'prints a number']],
  },
  sync: {
    summary: 'give each of two relays what only the other has',
    operands: "<relay> <relay> ['<filter>']",
    arity: [2, 3],
    options: {
      ...PASSPHRASE,
      dir: {
        type: 'text',
        value: 'DIR',
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
    examples: [
      ['posthorn sync ws://localhost:7678 wss://relay.example', 'everything, both ways'],
      [`posthorn sync ws://one ws://two '{"authors":["…"]}' --dir to`, "one author's events, from one to two"],
    ],
    notes: [
      'Only differences travel: the relays compare ids by NIP-77; where one cannot, all matching events are paged through on both.',
      'Every event is verified before it is passed on. Exits 6 if one did not hold, 1 if a relay refused some, 4 if it refuses strangers.',
    ],
  },
  doctor: {
    summary: 'is all well with this profile and its relays? each finding with what to do',
    operands: '',
    arity: [0, 0],
    options: { ...PROFILE, ...PASSPHRASE, ...RELAYS, ...TIMEOUT },
    examples: [
      ['posthorn doctor', 'exits 0 if mail can come and go'],
      ['posthorn doctor --json', '{"ok":…,"findings":[{"check":…,"level":"ok|warn|fail","what":…,"do":…}]}'],
    ],
    notes: [
      'Looks at the key and who can read it, the mail on disk, each relay (reachable, AUTH, log order, clock, what waits there), the outgoing queue, strangers and the verifier. Changes nothing and marks nothing as read; runs beside a running agent, too.',
      'Warnings leave the exit code at 0. Otherwise it is that of the first failure: 4 if a relay refuses this key, 5 if one cannot be reached, 3 without a profile.',
    ],
  },
  help: {
    summary: 'this overview, or the help of one verb',
    operands: '[verb]',
    arity: [0, 2],
    options: {},
    examples: [['posthorn help send', 'the same as posthorn send --help']],
  },
} as const satisfies Record<string, VerbSpec>

export type VerbName = keyof typeof VERBS
/** The verb that a command line begins with, and what follows it: `relay check` is a verb of two words. */
export function splitVerb([first = '', second, ...rest]: readonly string[]): [verb: string, args: readonly string[]] {
  if (second === undefined) return [first, []]
  const both = `${first} ${second}`
  return Object.hasOwn(VERBS, both) ? [both, rest] : [first, [second, ...rest]]
}

export const isVerb = (name: string): name is VerbName => Object.hasOwn(VERBS, name)
