import { reason } from '../../protocol/reasons.ts'
import type { Side } from './reconcile.ts'

/** For sides that are reconciled or nothing: whoever does not know NIP-77 is better listed by the caller itself. */
export const refuseToList: Side['request'] = (_filters, handlers) => {
  queueMicrotask(() => handlers.onClosed?.(reason('unsupported', 'not listed whole')))
  return { close() {}, invalid: 0 }
}
