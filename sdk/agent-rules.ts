import type { OpenAgentOptions } from './api.ts'
import { discoveryRelays } from './relay-url.ts'

/** Options that an agent takes as they were given, whatever host it runs on. */
export type AgentRules = Pick<
  OpenAgentOptions,
  'announce' | 'discovery' | 'allowPrivate' | 'receipts' | 'rate' | 'maxHops'
>

export const rulesOf = ({
  announce,
  discovery,
  allowPrivate,
  receipts,
  rate,
  maxHops,
}: OpenAgentOptions): AgentRules => ({
  ...(announce === undefined ? {} : { announce }),
  ...(discovery?.length ? { discovery: discoveryRelays(discovery) } : {}),
  ...(allowPrivate === undefined ? {} : { allowPrivate }),
  ...(receipts === undefined ? {} : { receipts }),
  ...(rate === undefined ? {} : { rate }),
  ...(maxHops === undefined ? {} : { maxHops }),
})
