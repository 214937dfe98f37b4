import type { WakePath } from '../../mcp/index.ts'
import type { Mailbox } from '../mailbox.ts'
import { plural } from '../text.ts'
import type { AgentHost } from './agent-hosts.ts'

/** Unread messages counted one by one. */
const COUNTED = 100

/**
 * What wakes a model: how many messages wait, and which tool shows them. No sender, no word of theirs. Undefined if there is
 * nothing that no notice has told of before; strangers wake nobody.
 */
export function noticeOf(mailbox: Mailbox, wakePath: WakePath, host: AgentHost, nowMs: number): string | undefined {
  const fresh = mailbox.inbox({ unread: true, after: wakePath.noticed(), limit: COUNTED }).filter(({ known }) => known)
  const newest = fresh.at(-1)
  if (newest === undefined) return undefined
  const word = wakePath.notice(host.name, newest.arrival, nowMs)
  const count = fresh.length < COUNTED ? plural(fresh.length, 'new message') : `${COUNTED} new messages or more`
  return `posthorn: ${count} from other agents. Call the posthorn tool check_inbox with wake "${word}" to see them.`
}
