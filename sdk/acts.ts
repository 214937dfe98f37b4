/** One performative: what a message of it does, and what fits as an answer. */
export interface Performative {
  /** Opens an exchange that may spread: subject to hop limit, ancestor walk, deadline, budget and breaker. */
  readonly initiating: boolean
  /** Its sender waits for one of `replies`. */
  readonly expectsReply: boolean
  /** Acts that fit as an answer. Empty for statements and for replies themselves: those are never answered automatically. */
  readonly replies: readonly string[]
  /** What a handler's value is sent back as. */
  readonly answer: string
  /** What is sent back when the handler declines. */
  readonly decline: string
}

const opening = (replies: readonly string[], answer: string, decline = 'refuse'): Performative => ({
  initiating: true,
  expectsReply: true,
  replies: [...replies, 'refuse', 'failure', 'not-understood'],
  answer,
  decline,
})
const courtesy = (replies: readonly string[], answer: string): Performative => ({
  ...opening(replies, answer),
  initiating: false,
})
const plain: Performative = {
  initiating: false,
  expectsReply: false,
  replies: [],
  answer: 'answer',
  decline: 'refuse',
}

/** Statements may be answered by whoever handles them, but nobody waits for it. */
const statement: Performative = { ...plain, replies: ['answer', 'result', 'confirm', 'failure'] }

/**
 * The performatives by name. Others are custom: they pass, expect a reply, and any reply fits. Sources: FIPA ACL and the
 * agent-messaging practice that cut it down.
 */
export const PERFORMATIVES: Readonly<Record<string, Performative>> = {
  request: opening(['agree', 'answer', 'result'], 'answer'),
  query: opening(['answer', 'result'], 'answer'),
  delegate: opening(['agree', 'result', 'answer'], 'result'),
  propose: opening(['accept-proposal', 'reject-proposal'], 'accept-proposal', 'reject-proposal'),
  subscribe: courtesy(['agree', 'answer'], 'agree'),
  ping: courtesy(['pong'], 'pong'),
  inform: statement,
  publish: statement,
  confirm: statement,
  cancel: statement,
  answer: plain,
  result: plain,
  agree: plain,
  refuse: plain,
  failure: plain,
  'not-understood': plain,
  'accept-proposal': plain,
  'reject-proposal': plain,
  pong: plain,
}

const CUSTOM: Performative = {
  initiating: false,
  expectsReply: true,
  replies: [],
  answer: 'answer',
  decline: 'refuse',
}

export const performativeOf = (act: string): Performative =>
  Object.hasOwn(PERFORMATIVES, act) ? (PERFORMATIVES[act] ?? CUSTOM) : CUSTOM

/** A reply is never answered automatically, so that two agents cannot keep each other busy. */
const isReply = (act: string): boolean => performativeOf(act) === plain

/** A handler's value or failure may be sent back. */
export const mayReply = (act: string): boolean => !isReply(act)

/** The sender should be told if nobody here knows the act. */
export const wantsUnderstanding = (act: string): boolean => performativeOf(act).expectsReply

/** `agree` announces an answer, and a counter-question is none; everything else that refers to a question answers it. */
export const isFinalReply = (act: string): boolean => act !== 'agree' && !isInitiating(act)

/** May spread from agent to agent: what loop safety watches. */
export const isInitiating = (act: string): boolean => performativeOf(act).initiating

/** False if a reply of our table cannot answer a message of our table, like `accept-proposal` to a `query`. */
export const isFitting = (act: string, reply: string): boolean =>
  performativeOf(act) === CUSTOM || !isReply(reply) || performativeOf(act).replies.includes(reply)
