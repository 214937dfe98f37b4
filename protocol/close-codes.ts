/** Done; nothing is expected of the other side. */
export const NORMAL_CLOSURE = 1000

/** WebSocket close codes we use, and what the other side should do. */
export const CLOSE = {
  normal: NORMAL_CLOSURE,
  /** The relay stops or restarts; reconnect with jitter and resume. */
  goingAway: 1001,
  /** A frame that is not text. */
  unsupportedData: 1003,
  /** A rule was broken that no reply could be attached to. */
  policy: 1008,
  /** A frame above the size limit. */
  tooBig: 1009,
  /** The relay failed at something it should not. */
  internal: 1011,
  /** Too slow or too busy: come back later and resume from the cursor. */
  tryLater: 1013,
} as const
export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE]
