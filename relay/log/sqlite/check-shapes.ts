import type { Database } from '../../../platform/sqlite.ts'
import { expirationOf, type NostrEvent } from '../../../protocol/event.ts'
import { addressOf } from '../../../protocol/kinds.ts'
import { authorKey, rankOf, tagKey } from './keys.ts'
import { type EventRow, type EventText, eventOfText, idIn, isIntact } from './row.ts'

/** How events and their tags stand in a file: today's schema, or an older one that a backup may have. */
export interface EventShape {
  /** Everything of events after a seq, so many rows. */
  readonly pageSql: string
  /** The event, if the row is what was stored and the text hashes to its id. */
  eventOf(row: EventColumns): NostrEvent | undefined
  idOf(row: EventColumns): string | undefined
  /** What the index columns must be. */
  columnsOf(event: NostrEvent): Record<string, unknown>
  /** Whether a tag is in the index as it is in the event. */
  hasTag(name: string, value: string, seq: number, event: NostrEvent): boolean
  /** Tells tags apart as the index does. */
  tagId(name: string, value: string): string
  /** SQL that finds events by an author who has vanished. */
  readonly vanishedSql: string
}

export interface EventColumns {
  readonly seq: number
  readonly json: string
  readonly [column: string]: unknown
}

const hasColumn = (db: Database, name: string): boolean =>
  db.prepare(`SELECT 1 FROM pragma_table_info('events') WHERE name = ?`).get(name) !== undefined

export const shapeOf = (db: Database): EventShape => (hasColumn(db, 'rank') ? current(db) : older(db))

/** What all schemas share. */
const common = (event: NostrEvent) => ({
  created_at: event.created_at,
  kind: event.kind,
  address: addressOf(event) ?? null,
  expires_at: expirationOf(event) ?? null,
})

function current(db: Database): EventShape {
  const tag = db.prepare('SELECT kind FROM tags WHERE key = ? AND created_at = ? AND rank = ? AND seq = ?').pluck()
  return {
    pageSql: `SELECT seq, rank, author, created_at, kind, address, expires_at, sum, json
      FROM events NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ?`,
    eventOf: row => (isIntact(row as unknown as EventRow) ? eventOfText({ json: row.json, sig_sum: null }) : undefined),
    idOf: ({ json }) => (/^[0-9a-f]{64}$/.test(idIn(json)) ? idIn(json) : undefined),
    columnsOf: event => ({ ...common(event), rank: rankOf(event.id), author: authorKey(event.pubkey) }),
    hasTag: (name, value, seq, { id, created_at, kind }) =>
      tag.get(tagKey(name, value), created_at, rankOf(id), seq) === kind,
    tagId: (name, value) => String(tagKey(name, value)),
    vanishedSql: `SELECT e.seq, e.json FROM vanished v
      JOIN events e ON e.author = author_key(v.author) AND substr(e.json, 84, 64) = v.author
      WHERE e.created_at <= v.up_to AND e.kind <> 62`,
  }
}

/** Schemas 1 to 5. */
function older(db: Database): EventShape {
  const tag = db.prepare('SELECT created_at FROM tags WHERE name = ? AND value = ? AND seq = ?').pluck()
  return {
    pageSql: `SELECT seq, id, pubkey, created_at, kind, address, expires_at, json,
      ${hasColumn(db, 'sig_sum') ? 'sig_sum' : 'NULL AS sig_sum'} FROM events NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ?`,
    eventOf: row => eventOfText(row as unknown as EventText),
    idOf: ({ id }) => (typeof id === 'string' ? id : undefined),
    columnsOf: event => ({ ...common(event), id: event.id, pubkey: event.pubkey }),
    hasTag: (name, value, seq, { created_at }) => tag.get(name, value, seq) === created_at,
    tagId: (name, value) => JSON.stringify([name, value]),
    vanishedSql: `SELECT e.seq, e.json FROM vanished v JOIN events e ON e.pubkey = v.author
      WHERE e.created_at <= v.up_to AND e.kind <> 62`,
  }
}
