import type { AgentEvents, AgentStatus } from './api.ts'
import type { Life } from './life.ts'
import type { Notices } from './notices.ts'

/** Tells listeners of the status: at most once a turn, and only of a change. The returned function says that it may have changed. */
export function createStatusTeller(read: () => AgentStatus, notices: Notices<AgentEvents>, life: Life): () => void {
  let last = ''
  let planned = false

  return () => {
    life.beat()
    if (planned || !notices.has('status')) return
    planned = true
    queueMicrotask(() => {
      planned = false
      if (life.isClosed) return
      const status = read()
      const text = JSON.stringify(status)
      if (text === last) return
      last = text
      notices.emit('status', status)
    })
  }
}
