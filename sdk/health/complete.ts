import { parseReason } from '../../protocol/reasons.ts'
import type { RelayStatus, RelaySync } from '../api.ts'

/** A relay's reason is about the key, not about what was asked. */
export const isRefusal = (reason: string | undefined): boolean => {
  const { prefix } = parseReason(reason ?? '')
  return prefix === 'auth-required' || prefix === 'restricted'
}

/** Everything that every relay of the agent has was received and recorded. False also where no relay was asked. */
export const isSynced = ({
  relays,
}: {
  readonly relays?: readonly Pick<RelayStatus, 'state' | 'partial' | 'suspect'>[]
}): boolean =>
  relays !== undefined &&
  relays.length > 0 &&
  relays.every(({ state, partial, suspect }) => state === 'live' && !partial && !suspect)

/** Everything that the relays which could be reached had is recorded, and at least one was reached. */
export const isComplete = (relays: readonly Pick<RelaySync, 'status' | 'partial' | 'suspect'>[]): boolean => {
  const reached = relays.filter(({ status }) => status !== 'offline')
  return (
    reached.length > 0 && reached.every(({ status, partial, suspect }) => status === 'live' && !partial && !suspect)
  )
}
