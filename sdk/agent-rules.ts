import type { OpenAgentOptions } from './api.ts'

/** Options that an agent takes as they were given, whatever host it runs on. */
export type AgentRules = Pick<OpenAgentOptions, 'announce' | 'allowPrivate' | 'receipts' | 'rate' | 'maxHops'>

export const rulesOf = ({ announce, allowPrivate, receipts, rate, maxHops }: OpenAgentOptions): AgentRules => ({
  ...(announce === undefined ? {} : { announce }),
  ...(allowPrivate === undefined ? {} : { allowPrivate }),
  ...(receipts === undefined ? {} : { receipts }),
  ...(rate === undefined ? {} : { rate }),
  ...(maxHops === undefined ? {} : { maxHops }),
})
