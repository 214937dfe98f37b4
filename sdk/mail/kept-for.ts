export const DAY_MS = 24 * 3_600_000
/** Recipients who said nothing are asked after for so long; a relay that did not take its copy of a message stored elsewhere is offered it as long. */
export const COPIES_KEPT_MS = 7 * DAY_MS
/** So often what is old is let go. */
export const FORGET_EVERY_MS = 3_600_000
