import type { Clock } from '../../platform/clock.ts'
import { parseEventText } from '../../protocol/event.ts'
import type { MailStore } from './store.ts'

const PAGE = 100
const DAY_MS = 24 * 3_600_000
/** A message without a deadline that no relay took is given up after so long. */
const UNDELIVERABLE_MS = 7 * DAY_MS
/** What became of a message can be asked for so long after its recipient had the last word, */
const CONCLUDED_KEPT_MS = 3 * DAY_MS
/** after it was last heard of (or its deadline), if more may come, */
const HEARD_KEPT_MS = 7 * DAY_MS
/** and where nothing was heard: asleep for weeks is not gone. Dead letters stay as long. */
const SETTLED_KEPT_MS = 30 * DAY_MS
/** Longer than a sleep from one month to the next: the clock was put right, or wrong. */
const LEAP_MS = 45 * DAY_MS
/** Under which name the store keeps when this was last done, among what is known of keys: no key is named so. */
const NOTE = 'forgotten'

export interface Forgetting {
  readonly store: MailStore
  readonly clock: Clock
  /** The message that a relay took last since the start. */
  readonly taken: string | undefined
  /** A relay that did not take its copy of a message stored elsewhere is offered it for so long. */
  readonly copiesKeptMs: number
  /** So often this is done. */
  readonly everyMs: number
  /** Repeats a step as long as it returns something, in turns of the event loop. */
  steps(step: () => unknown): Promise<void>
  /** No relay took it in time. */
  giveUp(id: string): void
}

/**
 * Gives up what waits for too long, and forgets what was sent long ago. An age is a difference between two clocks, and either can have
 * been wrong:
 *
 * - A clock that is ahead would forget everything. So what is forgotten is so by the date of something that a relay took since the start:
 *   no relay takes what is dated far ahead.
 * - What was written by a clock that was behind looks older than anything that is still kept, and what was written by one that was ahead is
 *   yet to come. Its age counts from now: what is kept too long does no harm.
 */
export async function forget({ store, clock, taken, copiesKeptMs, everyMs, steps, giveUp }: Forgetting): Promise<void> {
  const nowMs = clock.now()
  const last = store.relayNote(NOTE)
  const lastSureMs = Number(last?.text) || 0
  const sureMs = Math.min(nowMs, takenMs(store, taken))
  if (last) {
    const leapMs = Math.abs(nowMs - last.askedMs) > LEAP_MS ? nowMs : 0
    // What is older than this was forgotten then, or given up.
    const before = {
      nowMs,
      settledBeforeMs: Math.min(nowMs, lastSureMs === 0 ? leapMs : lastSureMs - SETTLED_KEPT_MS - everyMs),
      waitsBeforeMs: Math.min(nowMs, leapMs || last.askedMs - UNDELIVERABLE_MS - everyMs),
    }
    await steps(() => store.recount(before, PAGE))
  }
  const before = {
    nowMs,
    storedBeforeMs: sureMs - copiesKeptMs,
    concludedBeforeMs: sureMs - CONCLUDED_KEPT_MS,
    heardBeforeMs: sureMs - HEARD_KEPT_MS,
    settledBeforeMs: sureMs - SETTLED_KEPT_MS,
  }
  let isWhole = false
  await steps(() => {
    const late = store.overdue(nowMs - UNDELIVERABLE_MS, PAGE)
    for (const id of late) giveUp(id)
    const left = late.length + store.prune(before, PAGE)
    isWhole = left === 0
    return left
  })
  const isNew = last === undefined || Math.abs(nowMs - last.askedMs) > everyMs / 2 || sureMs > lastSureMs
  if (isWhole && isNew) store.keepRelayNote(NOTE, { text: String(sureMs || lastSureMs), askedMs: nowMs })
}

/** Its date; 0 if there is none. */
function takenMs(store: MailStore, id: string | undefined): number {
  const event = parseEventText((id !== undefined && store.sent(id)?.event) || '')
  return event.ok ? event.value.created_at * 1000 : 0
}
