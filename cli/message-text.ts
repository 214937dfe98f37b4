import { type InboxEntry, npubOf } from '../sdk/index.ts'
import type { Paint } from './output.ts'
import { ago, escapeLine, escapeText, shorten } from './text.ts'

/** Shown of an id in lists; `read` takes it. */
const SHORT_ID = 8

/** A message in `--json`: named one by one, because scripts rely on them. Absent ones are left out by JSON. */
export const messageFields = (entry: InboxEntry) => ({
  id: entry.id,
  from: entry.from,
  npub: npubOf(entry.from),
  fromName: entry.fromName,
  known: entry.known,
  act: entry.act,
  text: entry.text,
  contentType: entry.contentType,
  private: entry.private,
  ...(entry.wrap === undefined ? {} : { wrap: entry.wrap }),
  at: entry.at,
  deadline: entry.deadline,
  root: entry.root,
  replyTo: entry.replyTo,
  read: entry.read,
  state: entry.state,
  attempts: entry.attempts,
  error: entry.error,
  relay: entry.relay,
  seq: entry.seq,
})

/** Names before keys; strangers are named as such. */
export const senderText = (entry: Pick<InboxEntry, 'from' | 'fromName' | 'known'>): string =>
  entry.fromName === undefined
    ? `${shorten(npubOf(entry.from))}${entry.known ? '' : ' (unknown)'}`
    : escapeLine(entry.fromName)

/** One line of a list: unread mark, id, sender, age, act, the beginning of the text. */
export function messageLine(entry: InboxEntry, nowSeconds: number, width: number, paint: Paint): string {
  const head = [
    entry.read ? ' ' : '●',
    entry.id.slice(0, SHORT_ID),
    senderText(entry).padEnd(14),
    ago(entry.at, nowSeconds).padEnd(14),
    escapeLine(entry.act, 16).padEnd(8),
  ].join('  ')
  // What nobody has worked on has no state worth telling.
  const state = entry.state === 'new' ? '' : `[${STATES[entry.state]}] `
  const body = `${state}${bodyOf(entry)}`
  const room = Math.max(20, width - head.length - 2)
  return entry.read ? paint.dim(`${head}  ${escapeLine(body, room)}`) : `${head}  ${escapeLine(body, room)}`
}

/** A whole message: facts, an empty line, the text. */
export function messagePage(entry: InboxEntry, nowSeconds: number, paint: Paint): string {
  const sent = new Date(entry.at * 1000)
  const when = Number.isNaN(sent.getTime()) ? String(entry.at) : sent.toISOString().replace('.000', '')
  const facts: [string, string | undefined][] = [
    [
      'from',
      entry.fromName === undefined
        ? `${npubOf(entry.from)}${entry.known ? '' : ' (unknown)'}`
        : `${escapeLine(entry.fromName)} (${npubOf(entry.from)})`,
    ],
    ['sent', `${when} (${ago(entry.at, nowSeconds)})`],
    ['act', `${escapeLine(entry.act)}, ${entry.wrap ? 'sealed and wrapped' : entry.private ? 'sealed' : 'public'}`],
    ['id', entry.id],
    ['answers', entry.replyTo],
    ['state', entry.state === 'new' ? undefined : STATES[entry.state]],
    ['error', entry.error === undefined ? undefined : escapeLine(entry.error)],
  ]
  const lines = facts.flatMap(([name, value]) => (value === undefined ? [] : [`${paint.dim(name.padEnd(8))} ${value}`]))
  return [...lines, '', escapeText(entry.text)].join('\n')
}

/** What a person is shown of a state. `failed` is an attempt: another one follows. */
const STATES: Readonly<Record<InboxEntry['state'], string>> = {
  new: 'new',
  working: 'working',
  done: 'done',
  failed: 'to be tried again',
  'set-aside': 'dead letter',
  dropped: 'dropped',
}

const bodyOf = (entry: InboxEntry): string =>
  entry.text === '' && entry.error !== undefined ? `[${entry.error}]` : entry.text
