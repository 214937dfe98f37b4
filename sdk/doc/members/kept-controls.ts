import { encodeEvent, type NostrEvent, parseEventText } from '../../../protocol/event.ts'
import type { StateStore } from '../../state/store.ts'

/** A row of `doc/<id>/controls`. */
export interface ControlRow {
  readonly event: string
  /** Made here, and no relay is known to have it. */
  readonly unsent?: true
  /** Why a relay did not take it. */
  readonly reason?: string
}

/** Control events of one document as they are kept: verified when they came. */
export interface KeptControls {
  all(): readonly NostrEvent[]
  isUnsent(id: string): boolean
  /** `made`: here, and no relay has it yet. */
  keep(event: NostrEvent, made?: 'made'): void
  /** Takes the place of one that no relay has. */
  replace(id: string, by: NostrEvent): void
  /** A relay has it, or with `reason` refused it. What is not unsent stays as it is. */
  answered(id: string, reason?: string): void
}

export function keptControls(store: StateStore, id: string): KeptControls {
  const rows = store.open<ControlRow>(`doc/${id}/controls`)
  const keep = (event: NostrEvent, made?: 'made') =>
    void rows.set(event.id, { event: encodeEvent(event), ...(made === undefined ? {} : { unsent: true }) })
  return {
    all: () =>
      [...rows.values()].flatMap(({ event }) => {
        const parsed = parseEventText(event)
        return parsed.ok ? [parsed.value] : []
      }),
    isUnsent: each => rows.get(each)?.unsent === true,
    keep,
    replace(each, by) {
      rows.delete(each)
      keep(by, 'made')
    },
    answered(each, reason) {
      const row = rows.get(each)
      if (!row?.unsent || (reason !== undefined && row.reason === reason)) return
      rows.set(each, reason === undefined ? { event: row.event } : { ...row, reason })
    },
  }
}
