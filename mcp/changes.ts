import { type Cancel, every } from '../platform/timers.ts'
import type { Post } from './post.ts'
import { AGENTS_URI, INBOX_URI, STATUS_URI, threadUri } from './resources.ts'

/** What is different now: addresses of resources, and whether there are more or other ones than before. */
export interface Change {
  readonly uris: readonly string[]
  readonly isListChanged: boolean
}

/** How often the home is looked at; another process may write it. */
const LOOK_MS = 1_000
/** Conversations told of one by one. */
const MAX_THREADS = 20

/** Tells what changed, as it is noticed. Addresses and nothing else: no word of a message is in them. */
export function watchChanges(post: Post, onChange: (change: Change) => void): Cancel {
  const { mailbox } = post
  const newest = () => mailbox.inbox({ limit: 1 })[0]?.arrival ?? 0
  const standing = () => JSON.stringify([mailbox.counts(), mailbox.agent?.status().relays.map(relay => relay.state)])
  const known = () => JSON.stringify(mailbox.contacts.list())
  let last = { newest: newest(), standing: standing(), known: known() }

  function look(): void {
    const now = { newest: newest(), standing: standing(), known: known() }
    const fresh = now.newest > last.newest ? mailbox.inbox({ after: last.newest, limit: MAX_THREADS }) : []
    const uris = [
      ...(fresh.length > 0 || now.standing !== last.standing ? [INBOX_URI, STATUS_URI] : []),
      ...(now.known !== last.known ? [AGENTS_URI] : []),
      ...new Set(fresh.map(({ root, id }) => threadUri(root ?? id))),
    ]
    last = now
    if (uris.length > 0) onChange({ uris, isListChanged: fresh.some(({ root }) => root === undefined) })
  }

  return every(post.timers, LOOK_MS, () => {
    // A home that is being migrated or moved is looked at again.
    try {
      look()
    } catch {}
  })
}
