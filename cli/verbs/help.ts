import type { VerbSpec } from './spec.ts'

export const HELP_VERBS = {
  help: {
    summary: 'this overview, or the help of one verb',
    operands: '[verb]',
    arity: [0, 2],
    are: ['verb'],
    options: {},
    examples: [['posthorn help send', 'the same as posthorn send --help']],
  },
  completion: {
    summary: 'the completion script of a shell: verbs, options, profiles, contacts, message ids',
    operands: '<bash|zsh|fish> | words -- <word>…',
    arity: [1, 1_000],
    are: [['bash', 'zsh', 'fish']],
    options: {},
    examples: [
      ['source <(posthorn completion bash)', 'for this shell; put the line into ~/.bashrc to keep it'],
      ['posthorn completion zsh > ~/.zfunc/_posthorn', 'with ~/.zfunc in fpath, before compinit'],
      ['posthorn completion fish > ~/.config/fish/completions/posthorn.fish', ''],
    ],
    notes: [
      '“words” is what the scripts ask: the values that fit where the last word of a command line is being typed, one per line, a tab before what it is.',
    ],
  },
} as const satisfies Record<string, VerbSpec>
