import type { SharedDoc } from './api.ts'
import { DocError } from './errors.ts'

interface Opened {
  readonly shared: Promise<SharedDoc>
  users: number
  closing?: Promise<void>
}

/**
 * What one agent has open: two logs of one document would number their events alike. Who opens it once more gets the same Y.Doc, and
 * it ends with the last of them.
 */
export interface OpenDocs {
  /** Rejects with DocError `doc-open` if it is open already and `mayShare` is false, and with what `open` rejects with. */
  open(id: string, mayShare: boolean, open: () => Promise<SharedDoc>): Promise<SharedDoc>
}

export function createOpenDocs(): OpenDocs {
  const known = new Map<string, Opened>()

  function forget(id: string, opened: Opened): void {
    if (known.get(id) === opened) known.delete(id)
  }

  function userOf(id: string, shared: SharedDoc, opened: Opened): SharedDoc {
    let closed: Promise<void> | undefined
    // Its accessors are those of the one document.
    return Object.assign(Object.create(shared) as SharedDoc, {
      close(options?: { readonly timeoutMs?: number }) {
        closed ??= leave(id, shared, opened, options)
        return closed
      },
    })
  }

  function leave(id: string, shared: SharedDoc, opened: Opened, options?: { readonly timeoutMs?: number }) {
    opened.users -= 1
    if (opened.users > 0) return shared.flush().then(() => {})
    opened.closing = shared.close(options).finally(() => forget(id, opened))
    return opened.closing
  }

  return {
    async open(id, mayShare, open) {
      for (let there = known.get(id); there; there = known.get(id)) {
        if (there.closing) await there.closing.catch(() => {})
        else if (!mayShare)
          throw new DocError('doc-open', 'this agent has the document open already; close it there, or use its Y.Doc.')
        else {
          there.users += 1
          const shared = await there.shared.catch(() => undefined)
          if (shared && !there.closing) return userOf(id, shared, there)
          there.users -= 1
          // Who was first may have asked for less.
          if (!shared) forget(id, there)
        }
      }
      const opened: Opened = { shared: open(), users: 1 }
      known.set(id, opened)
      try {
        return userOf(id, await opened.shared, opened)
      } catch (error) {
        forget(id, opened)
        throw error
      }
    },
  }
}
