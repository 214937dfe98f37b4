import { dirname } from 'node:path'
import type { Clock } from '../../platform/clock.ts'
import type { Contact } from '../api.ts'
import { statOrUndefined } from './files.ts'
import { siblingContacts } from './profile.ts'

/** Profiles beside the home are looked up again after so long, whatever the folder says: one may have been rewritten. */
const FRESH_MS = 2_000
/** A profile is made in several steps: a folder that changed so recently is not read for good. */
const SETTLED_MS = 1_000

/**
 * Contacts of one machine, cheap to ask for at every message. A profile made just now is among them at once: its first message
 * must not be taken for a stranger's.
 */
export function createSiblings(home: string, clock: Clock): () => readonly Contact[] {
  const root = dirname(home)
  let contacts: readonly Contact[] = []
  let readAt = Number.NEGATIVE_INFINITY
  let changedMs: number | undefined
  let isSettled = false
  return () => {
    const now = clock.monotonic()
    const changed = statOrUndefined(root)?.mtimeMs
    if (isSettled && changed === changedMs && now - readAt < FRESH_MS) return contacts
    contacts = siblingContacts(home)
    readAt = now
    changedMs = changed
    isSettled = changed !== undefined && Math.abs(clock.now() - changed) > SETTLED_MS
    return contacts
  }
}
