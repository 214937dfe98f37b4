import { encodeEvent, type NostrEvent, parseEvent } from '../../../protocol/event.ts'
import { parseJson } from '../../../protocol/json.ts'
import type { StateStore } from '../../state/store.ts'

/** Control events of one document as they are kept: verified when they came. */
export interface KeptControls {
  all(): readonly NostrEvent[]
  keep(event: NostrEvent): void
}

export function keptControls(store: StateStore, id: string): KeptControls {
  const rows = store.open<{ readonly event: string }>(`doc/${id}/controls`)
  return {
    all: () =>
      [...rows.values()].flatMap(({ event }) => {
        const json = parseJson(event)
        const parsed = json.ok ? parseEvent(json.value) : json
        return parsed.ok ? [parsed.value] : []
      }),
    keep: event => void rows.set(event.id, { event: encodeEvent(event) }),
  }
}
