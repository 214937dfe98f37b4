import { type Clock, seconds } from '../platform/clock.ts'
import type { EventTemplate, NostrEvent } from '../protocol/event.ts'
import { DELETION } from '../protocol/kinds.ts'

/** Relays take events dated up to 15 minutes from now (900 s by default here and in strfry); a minute of it is left to them. Seconds. */
const AHEAD_S = 840

/** A removal is dated back by so much: what was dated right and signed before it is not older than it. Seconds. */
const REMOVED_S = 300

/** Dated above this, an event was made by a clock that was ahead. Seconds since 1970. */
export const horizonOf = (clock: Clock): number => seconds(clock) + AHEAD_S

/** The date of what is there already, to date the next version above it; 0 if a clock that was ahead made it: the next one has the right date. */
export const dateOf = (created_at: number, clock: Clock): number => (created_at > horizonOf(clock) ? 0 : created_at)

/**
 * Takes own events dated by a clock that was ahead back where a relay has them (NIP-09): they hold their addresses until their date comes.
 * At most 100 at once.
 */
export const removalOf = (events: readonly NostrEvent[], clock: Clock): EventTemplate => ({
  kind: DELETION,
  created_at: seconds(clock) - REMOVED_S,
  tags: [
    ...events.slice(0, 100).map(({ id }) => ['e', id]),
    ...[...new Set(events.map(({ kind }) => String(kind)))].map(kind => ['k', kind]),
  ],
  content: 'dated by a clock that was ahead',
})
