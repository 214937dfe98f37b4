import type { Notice, WakePath } from '../../mcp/index.ts'
import { isRunning } from '../host-process.ts'
import type { Mailbox } from '../mailbox.ts'
import { plural } from '../text.ts'
import type { WakeSession } from '../wake-session.ts'
import type { AgentHost } from './agent-hosts.ts'

/** Unread messages counted one by one. */
const COUNTED = 100
/**
 * How long after the n-th notice about the same mail the session that did not echo it is handed another one, in ms. A model that
 * cannot or will not look is not asked in every turn.
 */
const AGAIN_MS: readonly number[] = [0, 10_000, 60_000, 300_000, 1_800_000, 3_600_000]
/** Another session that was handed a notice has this long to echo it before this one is handed one, too. In ms. */
const HOLD_MS = 10_000

export interface Told {
  /** What the model is woken with. */
  readonly text: string
  readonly word: string
}

/**
 * What wakes a model: how many messages wait, and which tool shows them. No sender, no word of theirs. Undefined if there is
 * nothing that no model has heard of, or if a notice about it is under way. Strangers wake no session.
 */
export function noticeOf(
  mailbox: Mailbox,
  wakePath: WakePath,
  host: AgentHost,
  session: WakeSession,
  nowMs: number,
): Told | undefined {
  const fresh = mailbox.inbox({ unread: true, after: heardOf(mailbox, wakePath), limit: COUNTED })
  const known = fresh.filter(each => each.known)
  const newest = known.at(-1)
  if (newest === undefined) return undefined
  const said = wakePath.notices().filter(notice => notice.arrival >= newest.arrival)
  if (said.some(notice => isUnderWay(notice, session, nowMs))) return undefined
  const word = wakePath.notice(host.name, newest.arrival, nowMs, session.id, session.pid)
  const count = known.length < COUNTED ? plural(known.length, 'new message') : `${COUNTED} new messages or more`
  return {
    text: `posthorn: ${count} from other agents. Call the posthorn tool check_inbox with wake "${word}" to see them.`,
    word,
  }
}

/** Positions of a mailbox that was put back to an older copy begin below what was heard of then. */
function heardOf(mailbox: Mailbox, wakePath: WakePath): number {
  const heard = wakePath.heard()
  return heard > (mailbox.inbox({ limit: 1 })[0]?.arrival ?? 0) ? 0 : heard
}

function isUnderWay({ session, times, at, pid }: Notice, to: WakeSession, nowMs: number): boolean {
  const isOwn = session === to.id
  // What it was handed ended with it.
  if (pid !== undefined && (isOwn ? pid !== to.pid : !isRunning(pid))) return false
  const age = nowMs - at
  // A clock that was set back makes no notice young for longer than it was.
  return age >= 0 && age < (isOwn ? (AGAIN_MS[Math.min(times, AGAIN_MS.length - 1)] ?? 0) : HOLD_MS)
}
