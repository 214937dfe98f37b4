import type { StateStore } from '../store.ts'
import { contentOf } from './content.ts'
import { createDrafts, type DraftRow } from './drafts.ts'
import type { Entry } from './record.ts'
import { createSection } from './section.ts'
import type { StateContent } from './types.ts'

/** What a store has of an agent's own record, drafts included; for whoever looks in beside its running agent. */
export function keptContent(store: StateStore, o: string, author: string, nowMs: number): StateContent {
  const section = createSection(author, store.open<Entry>(`owned/${o}/${author}`), store.open(`owned/${o}`))
  return contentOf(createDrafts(store.open<DraftRow>(`owned/${o}/drafts`), section, () => true).entries, nowMs)
}
