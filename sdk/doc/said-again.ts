import * as Y from 'yjs'
import { type Cover, covers } from '../state/log/cover.ts'
import { isSameContent } from './compact.ts'
import type { Kept } from './kept.ts'
import { joinedUpdates } from './parts.ts'
import { reissue } from './reissue.ts'

const NOTHING: Cover = new Map()

/** Own changes of the generation before that are not in what the next one began with. */
export function unheardIn(earlier: Kept, self: string, before: Cover = NOTHING): readonly Uint8Array[] {
  const written = joinedUpdates(earlier.own(self), delta => !covers(before, delta))
  return [...written, ...(earlier.local()?.updates ?? [])]
}

/**
 * Says own changes again under this document's own client id, as local edits. `from`: the state they were made for. False: some of
 * it stood on what is not there any more, and is left out.
 */
export function sayAgain(doc: Y.Doc, client: number, updates: readonly Uint8Array[], from: Uint8Array): boolean {
  if (updates.length === 0) return true
  const { update, whole } = reissue(from, updates, Y.encodeStateAsUpdate(doc), client)
  // Yjs gives up a client id whose clock an update moves; this one is ours all the same.
  doc.clientID = 0
  Y.applyUpdate(doc, update, 'again')
  doc.clientID = client
  return whole
}

/** What own changes of the generation before were made for: this one, or, if it began without its past, the same content there. */
export function groundOf(
  doc: Y.Doc,
  client: number,
  updates: readonly Uint8Array[],
  earlier: Kept,
  before: Cover = NOTHING,
): Uint8Array {
  const now = Y.encodeStateAsUpdate(doc)
  if (reissue(now, updates, now, client).whole) return now
  const there = new Y.Doc()
  for (const { state } of earlier.states()) Y.applyUpdate(there, state)
  for (const update of joinedUpdates(earlier.deltas(), delta => covers(before, delta))) Y.applyUpdate(there, update)
  const state = Y.encodeStateAsUpdate(there)
  return isSameContent(state, now) ? state : now
}
