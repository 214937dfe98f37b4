/** Replies. They are never answered automatically, so that two agents cannot keep each other busy. */
const REPLIES: ReadonlySet<string> = new Set([
  'answer',
  'result',
  'agree',
  'refuse',
  'failure',
  'not-understood',
  'accept-proposal',
  'reject-proposal',
])

/** Statements: nothing is expected back, so not understanding one is nobody's problem. */
const STATEMENTS: ReadonlySet<string> = new Set(['inform', 'publish', 'confirm', 'cancel', 'ping', 'pong'])

/** A handler's value or failure may be sent back. */
export const mayReply = (act: string): boolean => !REPLIES.has(act)

/** The sender should be told if nobody here knows the act. */
export const wantsUnderstanding = (act: string): boolean => mayReply(act) && !STATEMENTS.has(act)

/** `agree` announces an answer; everything else that replies is one. */
export const isFinalReply = (act: string): boolean => act !== 'agree'
