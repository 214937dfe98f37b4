import type { OptionSpec } from './spec.ts'

/** Taken by every verb. */
export const COMMON = {
  json: { type: 'flag', help: 'machine-readable: one JSON object, or one per line, each with "v":1' },
  quiet: { type: 'flag', short: 'q', help: 'say nothing on stderr but errors' },
  'no-color': { type: 'flag', help: 'no colour, whatever the terminal (also NO_COLOR)' },
  help: { type: 'flag', short: 'h', help: 'this help' },
} as const satisfies Record<string, OptionSpec>

export const PROFILE = {
  as: { type: 'text', value: 'NAME', is: 'profile', help: 'the profile to act as (default: default)' },
  home: { type: 'text', value: 'DIR', is: 'folder', help: "the profile's folder itself (also POSTHORN_HOME)" },
} as const satisfies Record<string, OptionSpec>

export const PASSPHRASE = {
  'passphrase-file': {
    type: 'text',
    value: 'FILE',
    is: 'file',
    env: ['POSTHORN_PASSPHRASE_FILE'],
    help: 'where the passphrase of an encrypted key is (default: ask on the terminal)',
  },
} as const satisfies Record<string, OptionSpec>

export const RELAY = {
  relay: { type: 'text', value: 'URL', is: 'relay', help: "this relay instead of the profile's" },
} as const satisfies Record<string, OptionSpec>

export const RELAYS = {
  relay: {
    type: 'list',
    value: 'URL',
    is: 'relay',
    help: "this relay instead of the profile's; several: repeat it, or commas",
  },
} as const satisfies Record<string, OptionSpec>

export const TIMEOUT = {
  timeout: { type: 'seconds', value: 'S', default: 10, help: 'give up on the relay after S seconds' },
} as const satisfies Record<string, OptionSpec>

export const DATA = {
  data: {
    type: 'text',
    value: 'DIR',
    is: 'folder',
    env: ['POSTHORN_DATA'],
    help: 'where events are kept (default: ~/.local/share/posthorn-relay)',
  },
} as const satisfies Record<string, OptionSpec>

export const KEEP = {
  keep: {
    type: 'list',
    value: 'RULE',
    env: ['POSTHORN_KEEP'],
    help: 'how long events stay: 30d, 12h, 100000 (events), 1,7:90d (kinds), 1059:forever; repeatable, the first that names a kind decides (default: forever)',
  },
} as const satisfies Record<string, OptionSpec>

/** The longest that timers can wait, in whole seconds. */
export const MAX_SECONDS = 2_147_483
