import type { Statement } from '../../platform/sqlite.ts'
import type { MailStore, StoredMail, WorkQuery } from '../mail/store.ts'
import { isWithin } from '../mail/topic.ts'
import { type InboxRow, toMail } from './mail-rows.ts'

/** Rows looked at in the order of work; where none of so many will do, the first of each sender is looked at. */
const LOOKED_AT = 200

type Candidate = Pick<InboxRow, 'ordinal' | 'sender' | 'schema' | 'topic' | 'priority'> & { readonly due_ms: number }
type Open = 'new' | 'failed'

/** Messages that are alike to every query: of one sender, with one schema or on one topic. */
interface Group {
  readonly schema?: string
  readonly topic?: string
  readonly sender: string
}

/** What waits for handlers. Each question costs a few steps in an index, however much waits. */
export function workOn(
  sql: (text: string) => Statement,
): Pick<MailStore, 'nextWork' | 'nextDueMs' | 'countWork' | 'unhandled'> {
  const COLUMNS = 'SELECT ordinal, sender, schema, topic, priority, due_ms FROM inbox'
  const IN_ORDER = 'ORDER BY priority DESC, ordinal'
  /** As the indexes say it: SQLite takes a partial index where its condition is repeated. */
  const direct = (state: Open) => `state = '${state}' AND topic IS NULL AND stranger IS NOT 'held' AND act = @act`
  const posted = (state: Open) => `state = '${state}' AND topic IS NOT NULL AND stranger IS NOT 'held'`
  const SCHEMA = "coalesce(schema, '')"
  const rowAt = (ordinal: number) => toMail(sql('SELECT * FROM inbox WHERE ordinal = ?').get(ordinal) as InboxRow)

  /** In order of work. Undefined: none; `passed`: none of so many. */
  function first(query: WorkQuery, state: Open, fits: (row: Candidate) => boolean): Candidate | 'passed' | undefined {
    const { act, schema, topics } = query
    const index = topics ? 'inbox_topic_work' : schema === undefined ? 'inbox_work' : 'inbox_schema_work'
    const where = topics
      ? posted(state)
      : schema === undefined
        ? direct(state)
        : `${direct(state)} AND schema = @schema`
    const text = `${COLUMNS} INDEXED BY ${index} WHERE ${where} ${IN_ORDER} LIMIT ${LOOKED_AT}`
    const params = topics ? {} : schema === undefined ? { act } : { act, schema }
    let looked = 0
    for (const row of sql(text).iterate(params) as IterableIterator<Candidate>) {
      if (fits(row)) return row
      looked += 1
    }
    return looked < LOOKED_AT ? undefined : 'passed'
  }

  /** From value to value along an index, however many rows have each. */
  function* distinct(column: string, from: string, params: object, begin = ''): Generator<string> {
    const next = sql(`SELECT min(${column}) FROM inbox INDEXED BY ${from} AND ${column} > @after`).pluck()
    for (let after = begin; ; ) {
      const value = next.get({ ...params, after }) as string | null
      if (value === null) return
      yield value
      after = value
    }
  }

  function* groups({ act, schema, topics, notSchemas = [] }: WorkQuery, state: Open): Generator<Group> {
    if (topics) {
      const from = `${state === 'new' ? 'inbox_topic_senders' : 'inbox_topic_again'} WHERE ${posted(state)}`
      const seen = new Set<string>()
      for (const prefix of topics) {
        // "0" follows "/".
        const below = distinct('topic', `${from} AND topic < @end`, { end: `${prefix}0` }, `${prefix}/`)
        for (const topic of [prefix, ...below]) {
          if (seen.has(topic)) continue
          seen.add(topic)
          for (const sender of distinct('sender', `${from} AND topic = @topic`, { topic })) yield { topic, sender }
        }
      }
      return
    }
    const from = `${state === 'new' ? 'inbox_work_senders' : 'inbox_again_senders'} WHERE ${direct(state)}`
    const schemas = schema === undefined ? ['', ...distinct(SCHEMA, from, { act })] : [schema]
    for (const one of schemas) {
      if (notSchemas.includes(one)) continue
      for (const sender of distinct('sender', `${from} AND ${SCHEMA} = @schema`, { act, schema: one }))
        yield { schema: one, sender }
    }
  }

  /** Of a group what comes first; of what has failed, what falls due first. */
  function firstOf({ schema, topic, sender }: Group, { act }: WorkQuery, state: Open): Candidate | undefined {
    const index =
      topic === undefined
        ? state === 'new'
          ? 'inbox_work_senders'
          : 'inbox_again_senders'
        : state === 'new'
          ? 'inbox_topic_senders'
          : 'inbox_topic_again'
    const where =
      topic === undefined
        ? `${direct(state)} AND ${SCHEMA} = @schema AND sender = @sender`
        : `${posted(state)} AND topic = @topic AND sender = @sender`
    const params = topic === undefined ? { act, schema, sender } : { topic, sender }
    const order = state === 'new' ? IN_ORDER : 'ORDER BY due_ms'
    return sql(`${COLUMNS} INDEXED BY ${index} WHERE ${where} ${order} LIMIT 1`).get(params) as Candidate | undefined
  }

  function fresh(query: WorkQuery, fits: (row: Candidate) => boolean, maySend: (sender: string) => boolean) {
    const found = first(query, 'new', fits)
    if (found !== 'passed') return found
    // Thousands of one sender who has to wait are stepped over at once.
    let best: Candidate | undefined
    for (const group of groups(query, 'new')) {
      const row = maySend(group.sender) ? firstOf(group, query, 'new') : undefined
      if (row && (!best || comesFirst(row, best))) best = row
    }
    return best
  }

  function again(query: WorkQuery, fits: (row: Candidate) => boolean, maySend: (sender: string) => boolean) {
    const { nowMs } = query
    const isDue = sql("SELECT 1 FROM inbox INDEXED BY inbox_due WHERE state = 'failed' AND due_ms <= ? LIMIT 1")
    if (isDue.get(nowMs) === undefined) return undefined
    const found = first(query, 'failed', row => row.due_ms <= nowMs && fits(row))
    if (found !== 'passed') return found
    for (const group of groups(query, 'failed')) {
      const row = maySend(group.sender) ? firstOf(group, query, 'failed') : undefined
      if (row && row.due_ms <= nowMs) return row
    }
    return undefined
  }

  return {
    nextWork(query) {
      const { from, notFrom, notSchemas = [], topics } = query
      const only = from && new Set(from)
      const not = new Set(notFrom)
      const maySend = (sender: string) => (only === undefined || only.has(sender)) && !not.has(sender)
      const fits = ({ sender, schema, topic }: Candidate) =>
        maySend(sender) &&
        (schema === null || !notSchemas.includes(schema)) &&
        (topics === undefined || isWithin(topic ?? undefined, topics))
      const one = fresh(query, fits, maySend)
      const other = again(query, fits, maySend)
      const row = one && other ? (comesFirst(one, other) ? one : other) : (one ?? other)
      return row && rowAt(row.ordinal)
    },
    nextDueMs: (afterMs = -1) =>
      (sql("SELECT min(due_ms) FROM inbox INDEXED BY inbox_due WHERE state = 'failed' AND due_ms > ?")
        .pluck()
        .get(afterMs) as number | null) ?? undefined,
    countWork({ act, schema, topics, from, notSchemas = [] }) {
      const rows = (
        topics
          ? sql("SELECT topic, schema, sender, n FROM work_left WHERE topic > ''").all()
          : sql("SELECT topic, schema, sender, n FROM work_left WHERE topic = '' AND act = ?").all(act)
      ) as { topic: string; schema: string; sender: string; n: number }[]
      const only = from && new Set(from)
      return rows
        .filter(row => (only === undefined || only.has(row.sender)) && (!topics || isWithin(row.topic, topics)))
        .filter(row => (schema === undefined ? !notSchemas.includes(row.schema) : row.schema === schema))
        .reduce((sum, { n }) => sum + n, 0)
    },
    unhandled({ except, from, limit }) {
      const found: StoredMail[] = []
      const WHICH = "inbox_unhandled WHERE state = 'new' AND read = 0 AND topic IS NULL AND stranger IS NOT 'held'"
      for (const act of distinct('act', WHICH, {})) {
        if (except.includes(act)) continue
        const rows = sql(`SELECT * FROM inbox INDEXED BY ${WHICH} AND act = @act
          AND (@from IS NULL OR sender IN (SELECT value FROM json_each(@from))) ORDER BY ordinal LIMIT @limit`).all({
          act,
          from: from === undefined ? null : JSON.stringify(from),
          limit,
        }) as InboxRow[]
        found.push(...rows.map(toMail))
      }
      return found.sort((a, b) => a.ordinal - b.ordinal).slice(0, limit)
    },
  }
}

const comesFirst = (a: Candidate, b: Candidate): boolean =>
  a.priority > b.priority || (a.priority === b.priority && a.ordinal < b.ordinal)
