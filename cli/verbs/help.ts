import type { VerbSpec } from './spec.ts'

export const HELP_VERBS = {
  help: {
    summary: 'this overview, or the help of one verb',
    operands: '[verb]',
    arity: [0, 2],
    options: {},
    examples: [['posthorn help send', 'the same as posthorn send --help']],
  },
} as const satisfies Record<string, VerbSpec>
