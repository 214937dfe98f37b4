/**
 * The limits that both ends of the wire hold to: a client keeps within them, a relay refuses what does not. Numbers alone, because
 * pages load this file; units, and what each one stops, stand in the table of limits.ts.
 */
export const WIRE_LIMITS = {
  frameBytes: 131_072,
  eventBytes: 65_536,
  contentBytes: 49_152,
  tagValueBytes: 1_024,
  filterValues: 500,
  filterTags: 3,
  searchBytes: 256,
  page: 500,
} as const
