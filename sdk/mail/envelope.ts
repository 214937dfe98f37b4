import { type NostrEvent, type Tag, tagValue } from '../../protocol/event.ts'
import { MessageError } from '../errors.ts'
import type { Amounts, Envelope, Priority } from './types.ts'

/** Units in one budget. */
const MAX_UNITS = 16
const MAX_TOPIC_LEVELS = 16
const MAX_HOP = 1_000
const AMOUNT = /^(0|[1-9]\d{0,15})(\.\d{1,9})?$/
const UNIT = /^[\w.-]{1,32}$/
const LABEL = /^[\w.:/@+-]{1,128}$/
const IDEM = /^[\x21-\x7e]{1,128}$/
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/
const TOPIC = /^[^\s/]+(\/[^\s/]+)*$/u

/** The tags of what is said beside sender, recipient, act and conversation. Throws {@link MessageError}. */
export function envelopeTags(envelope: Envelope): Tag[] {
  const { hop, priority, schema, budget, spent, idem, traceparent, topic } = envelope
  const tags: Tag[] = []
  if (hop) tags.push(['hop', String(hop)])
  if (priority && priority !== 'normal') tags.push(['priority', priority])
  if (schema !== undefined)
    tags.push(['schema', checked(schema, LABEL, 'a schema is 1 to 128 letters, digits and . : / @ + - _')])
  if (budget) tags.push(...amountTags('budget', budget))
  if (spent) tags.push(...amountTags('spent', spent))
  if (idem !== undefined)
    tags.push([
      'idem',
      checked(idem, IDEM, 'an idempotency key is 1 to 128 visible ASCII characters, none of them a space'),
    ])
  if (traceparent !== undefined)
    tags.push(['traceparent', checked(traceparent, TRACEPARENT, 'a traceparent is as W3C has it')])
  if (topic !== undefined) tags.push(['topic', checkTopic(topic)])
  return tags
}

/** What a message says of itself. Whatever is malformed was not said. */
export function readEnvelope(event: Pick<NostrEvent, 'tags'>): Envelope {
  const hop = wholeOf(tagValue(event, 'hop'))
  const priority = tagValue(event, 'priority')
  const schema = matching(tagValue(event, 'schema'), LABEL)
  const idem = matching(tagValue(event, 'idem'), IDEM)
  const traceparent = matching(tagValue(event, 'traceparent'), TRACEPARENT)
  const topic = tagValue(event, 'topic')
  const budget = amountsOf(event, 'budget')
  const spent = amountsOf(event, 'spent')
  return {
    ...(hop ? { hop } : {}),
    ...(isPriority(priority) && priority !== 'normal' ? { priority } : {}),
    ...(schema === undefined ? {} : { schema }),
    ...(budget ? { budget } : {}),
    ...(spent ? { spent } : {}),
    ...(idem === undefined ? {} : { idem }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(isTopic(topic) ? { topic } : {}),
  }
}

/** A topic that is sound: 1 to 16 levels without white space, at most 256 characters. Throws {@link MessageError}. */
export function checkTopic(topic: string): string {
  if (isTopicText(topic)) return topic
  throw new MessageError(
    'message-malformed',
    `${JSON.stringify(topic.slice(0, 80))} is no topic: 1 to ${MAX_TOPIC_LEVELS} levels like builds/linux, without white space, at most 256 characters.`,
  )
}

/** `a/b/c` gives `a`, `a/b`, `a/b/c`: one `T` tag each, so that a filter finds a topic by any prefix. */
export const topicPrefixes = (topic: string): string[] =>
  topic.split('/').map((_, depth, levels) => levels.slice(0, depth + 1).join('/'))

const isTopicText = (topic: string): boolean =>
  topic.length <= 256 && TOPIC.test(topic) && topic.split('/').length <= MAX_TOPIC_LEVELS
const isTopic = (topic: string | undefined): topic is string => topic !== undefined && isTopicText(topic)

const isPriority = (text: string | undefined): text is Priority =>
  text === 'low' || text === 'normal' || text === 'high'

const matching = (text: string | undefined, form: RegExp): string | undefined =>
  text !== undefined && form.test(text) ? text : undefined

function checked(text: string, form: RegExp, rule: string): string {
  if (form.test(text)) return text
  throw new MessageError('message-malformed', `${rule}; not ${JSON.stringify(text.slice(0, 80))}.`)
}

function wholeOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,4}$/.test(text) ? Math.min(Number(text), MAX_HOP) : undefined
}

function amountTags(name: string, amounts: Amounts): Tag[] {
  const entries = Object.entries(amounts)
  if (entries.length > MAX_UNITS)
    throw new MessageError('message-malformed', `a ${name} has at most ${MAX_UNITS} units, not ${entries.length}.`)
  return entries.map(([unit, amount]) => [
    name,
    checkAmount(name, amount),
    checked(unit, UNIT, 'a unit is 1 to 32 letters, digits, . _ -'),
  ])
}

function checkAmount(name: string, amount: number): string {
  const text = Number.isInteger(amount) ? String(amount) : String(Number(amount.toFixed(9)))
  if (amount >= 0 && AMOUNT.test(text)) return text
  throw new MessageError('message-malformed', `a ${name} is a number from 0 to 10^16, not ${amount}.`)
}

function amountsOf(event: Pick<NostrEvent, 'tags'>, name: string): Amounts | undefined {
  const amounts = new Map<string, number>()
  for (const [tag, amount = '', unit = ''] of event.tags) {
    if (tag !== name || !AMOUNT.test(amount) || !UNIT.test(unit) || amounts.has(unit)) continue
    if (amounts.size < MAX_UNITS) amounts.set(unit, Number(amount))
  }
  return amounts.size > 0 ? Object.freeze(Object.fromEntries(amounts)) : undefined
}
