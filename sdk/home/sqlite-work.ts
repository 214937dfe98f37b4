import type { Statement } from '../../platform/sqlite.ts'
import type { MailStore, StoredMail, WorkQuery } from '../mail/store.ts'
import { type InboxRow, toMail } from './mail-rows.ts'

/** Rows looked at in the order of work; where none of so many will do, an index finds one without passing the rest. */
const LOOKED_AT = 200

type Candidate = Pick<InboxRow, 'ordinal' | 'sender' | 'schema' | 'stranger' | 'priority'> & { readonly due_ms: number }

/** What waits for handlers. Each question costs a few steps in an index, however much waits. */
export function workOn(
  sql: (text: string) => Statement,
): Pick<MailStore, 'nextWork' | 'nextDueMs' | 'countWork' | 'unhandled'> {
  const COLUMNS = 'SELECT ordinal, sender, schema, stranger, priority, due_ms FROM inbox'
  const IN_ORDER = 'ORDER BY priority DESC, ordinal'
  const BY_ACT = 'act = @act AND topic IS NULL'
  const BY_SCHEMA = `${BY_ACT} AND schema = @schema`
  const BY_TOPIC = `topic IS NOT NULL AND EXISTS (
    SELECT 1 FROM json_each(@topics) WHERE topic = value OR substr(topic, 1, length(value) + 1) = value || '/')`
  const whichOf = ({ topics, schema }: Pick<WorkQuery, 'topics' | 'schema'>) =>
    topics ? BY_TOPIC : schema === undefined ? BY_ACT : BY_SCHEMA
  const paramsOf = ({ act, schema, topics }: Pick<WorkQuery, 'act' | 'topics' | 'schema'>) =>
    topics ? { topics: JSON.stringify(topics) } : schema === undefined ? { act } : { act, schema }
  const rowAt = (ordinal: number) => toMail(sql('SELECT * FROM inbox WHERE ordinal = ?').get(ordinal) as InboxRow)

  /** The first row that will do, of at most `limit`; `passed`: as many as that were looked at in vain. */
  function first(text: string, params: object, fits: (row: Candidate) => boolean, limit = Number.POSITIVE_INFINITY) {
    let looked = 0
    for (const row of sql(text).iterate(params) as IterableIterator<Candidate>) {
      if (fits(row)) return { row, passed: false }
      looked += 1
      if (looked >= limit) return { passed: true }
    }
    return { passed: false }
  }

  function fresh(query: WorkQuery, fits: (row: Candidate) => boolean): Candidate | undefined {
    const { act, schema, topics } = query
    const byAct = act !== undefined && topics === undefined && schema === undefined
    const text = `${COLUMNS} WHERE state = 'new' AND ${whichOf(query)} ${IN_ORDER}`
    const { row, passed } = first(text, paramsOf(query), fits, byAct ? LOOKED_AT : undefined)
    if (!passed) return row
    // Thousands of one sender who has to wait are stepped over at once.
    let best: Candidate | undefined
    for (let sender = nextSender(act, ''); sender !== undefined; sender = nextSender(act, sender)) {
      const none = { sender, schema: null, stranger: null, ordinal: 0, priority: 0, due_ms: 0 }
      if (!fits(none)) continue
      const own = `${COLUMNS} WHERE state = 'new' AND ${BY_ACT} AND sender = @sender ${IN_ORDER}`
      const found = first(own, { act, sender }, fits).row
      if (found && (!best || comesFirst(found, best))) best = found
    }
    return best
  }

  const nextSender = (act: string | undefined, after: string) =>
    (sql("SELECT min(sender) FROM inbox WHERE state = 'new' AND act = ? AND topic IS NULL AND sender > ?")
      .pluck()
      .get(act, after) as string | null) ?? undefined

  function again(query: WorkQuery, fits: (row: Candidate) => boolean): Candidate | undefined {
    const { nowMs } = query
    const isDue = sql("SELECT 1 FROM inbox WHERE state = 'failed' AND due_ms <= ? LIMIT 1").get(nowMs) !== undefined
    if (!isDue) return undefined
    const params = paramsOf(query)
    const failed = `${COLUMNS} WHERE state = 'failed' AND ${whichOf(query)}`
    const { row, passed } = first(`${failed} ${IN_ORDER}`, params, row => row.due_ms <= nowMs && fits(row), LOOKED_AT)
    return passed ? first(`${failed} AND due_ms <= @nowMs ORDER BY due_ms`, { ...params, nowMs }, fits).row : row
  }

  return {
    nextWork(query) {
      const { from, notFrom, notSchemas = [] } = query
      const only = from && new Set(from)
      const not = new Set(notFrom)
      const fits = ({ sender, schema, stranger }: Candidate) =>
        stranger !== 'held' &&
        (only === undefined || only.has(sender)) &&
        !not.has(sender) &&
        (schema === null || !notSchemas.includes(schema))
      const one = fresh(query, fits)
      const other = again(query, fits)
      const row = one && other ? (comesFirst(one, other) ? one : other) : (one ?? other)
      return row && rowAt(row.ordinal)
    },
    nextDueMs: (afterMs = -1) =>
      (sql("SELECT min(due_ms) FROM inbox WHERE state = 'failed' AND due_ms > ?").pluck().get(afterMs) as
        | number
        | null) ?? undefined,
    countWork: ({ from, notSchemas, ...query }) =>
      Number(
        sql(`SELECT count(*) FROM inbox WHERE state IN ('new', 'working', 'failed') AND ${whichOf(query)}
          AND stranger IS NOT 'held' AND (@from IS NULL OR sender IN (SELECT value FROM json_each(@from)))
          AND (@notSchemas IS NULL OR schema IS NULL OR schema NOT IN (SELECT value FROM json_each(@notSchemas)))`)
          .pluck()
          .get({
            ...paramsOf(query),
            from: from === undefined ? null : JSON.stringify(from),
            notSchemas: notSchemas === undefined ? null : JSON.stringify(notSchemas),
          }),
      ),
    unhandled({ except, from, limit }) {
      const found: StoredMail[] = []
      const WHICH = "state = 'new' AND read = 0 AND topic IS NULL AND stranger IS NOT 'held'"
      const nextAct = (after: string) =>
        (sql(`SELECT min(act) FROM inbox WHERE ${WHICH} AND act > ?`).pluck().get(after) as string | null) ?? undefined
      for (let act = nextAct(''); act !== undefined; act = nextAct(act)) {
        if (except.includes(act)) continue
        const rows = sql(`SELECT * FROM inbox WHERE ${WHICH} AND act = @act
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
