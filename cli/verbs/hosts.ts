import { PASSPHRASE, PROFILE, RELAYS } from './common.ts'
import type { OptionSpec, VerbSpec } from './spec.ts'

const DIR = {
  dir: { type: 'text', value: 'DIR', is: 'folder', help: 'the project (default: the one this folder is in)' },
} as const satisfies Record<string, OptionSpec>

const HOST = {
  host: {
    type: 'text',
    value: 'HOST',
    is: ['claude-code', 'codex', 'opencode'],
    help: 'claude-code, codex or opencode',
  },
} as const satisfies Record<string, OptionSpec>

export const HOST_VERBS = {
  mcp: {
    summary: 'serve mail to a coding agent, as an MCP server on stdin and stdout',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...DIR,
      ...PASSPHRASE,
      ...RELAYS,
      ...HOST,
      profile: {
        type: 'text',
        value: 'NAME',
        is: ['base', 'full'],
        default: 'base',
        help: 'which tools: base, or full (adds asking and shared state)',
      },
      http: { type: 'text', value: '[HOST:]PORT', help: 'streamable HTTP at /mcp instead (default host: 127.0.0.1)' },
      'token-file': {
        type: 'text',
        value: 'FILE',
        is: 'file',
        env: ['POSTHORN_MCP_TOKEN_FILE'],
        help: 'where the token is that HTTP clients must show; needed unless bound to loopback',
      },
      'allow-host': {
        type: 'list',
        value: 'NAME',
        help: 'with --http: a name it is reached under, for the Host and Origin checks; repeatable',
      },
    },
    exits: { empty: 'there is no such profile', refused: 'the passphrase does not open the key' },
    examples: [
      ['posthorn mcp', 'as the profile of this project, made at the first start'],
      ['posthorn mcp --as reviewer --profile full', 'as a profile of yours, with all tools'],
      ['posthorn mcp --http 7680', 'streamable HTTP on http://127.0.0.1:7680/mcp'],
    ],
    notes: [
      'Each project has an identity of its own, named after its folder; --as or --home choose another. Profiles of one machine know each other by name. Several servers of one project share its mail.',
      'Tools: whoami, list_contacts, post_message, check_inbox, read_message, ack_message, message_status, set_presence; with --profile full also ask_agent and shared_state. None touches keys, contacts or relays. posthorn install sets it up for a host.',
    ],
  },
  wake: {
    summary: 'wait for mail and wake a coding agent; hooks run this',
    operands: '',
    arity: [0, 0],
    options: {
      ...PROFILE,
      ...DIR,
      ...PASSPHRASE,
      ...HOST,
      wait: { type: 'seconds', value: 'S', default: 0, help: 'wait at most this long for mail' },
      thread: { type: 'text', value: 'ID', help: 'the session: with codex, the thread to queue the notice for' },
      parent: { type: 'text', value: 'PID', help: 'end with this process; hooks and plugins find it by themselves' },
    },
    exits: { refused: 'the passphrase does not open the key' },
    examples: [['posthorn wake --host claude-code --wait 1200000', 'what the hooks of Claude Code run']],
    notes: [
      'A notice says how many messages wait and which tool to call; never who wrote, or what. Only mail of contacts wakes. A notice that no model echoed goes out again at the next stop or start. Hooks give the project and the session on stdin.',
      'Exits 0 at once in a session that cannot be woken (claude -p, codex exec, another program that reads the same hooks), and 0 if there is no mail. Ends with the host that started it. With --host claude-code a notice goes to stderr with exit code 2, which is how that host is woken.',
    ],
  },
  install: {
    summary: 'set up a coding agent: its MCP entry and its hooks; shows the changes first',
    operands: '',
    arity: [0, 0],
    options: {
      ...HOST,
      user: { type: 'flag', help: 'for all projects of this user' },
      project: { type: 'flag', help: 'for this project (default)' },
      ...DIR,
      profile: {
        type: 'text',
        value: 'NAME',
        is: ['base', 'full'],
        default: 'base',
        help: 'which tools: base or full',
      },
      'allow-tools': {
        type: 'flag',
        help: 'let the model use the tools without asking, so that a woken session goes on',
      },
      'dry-run': { type: 'flag', help: 'only show the changes' },
      yes: { type: 'flag', short: 'y', help: 'do not ask' },
      uninstall: { type: 'flag', help: 'take it out again' },
    },
    examples: [
      ['posthorn install --host claude-code', '.mcp.json and .claude/settings.json of this project'],
      ['posthorn install --host codex --user --dry-run', 'what would change in ~/.codex/config.toml'],
      ['posthorn install --host opencode --uninstall', 'as it was'],
    ],
    notes: [
      'Keeps comments, layout and everything else in the files; doing it twice changes nothing. Uninstalling restores a file byte for byte unless it was changed since; then only what was added is taken out.',
      'Whether the host is really woken shows only when a notice was echoed: posthorn doctor says verified or unverified.',
    ],
  },
} as const satisfies Record<string, VerbSpec>
