import type { Database } from '../../../platform/sqlite.ts'
import { hasValidId, parseEvent } from '../../../protocol/event.ts'
import { isHex64 } from '../../../protocol/hex.ts'
import { parseJson } from '../../../protocol/json.ts'
import { addressOf, DELETION } from '../../../protocol/kinds.ts'
import { ownAddress } from '../apply.ts'
import type { Findings } from './check.ts'
import { shapeOf } from './check-shapes.ts'
import { eventOfText, idIn } from './row.ts'

/** What the log remembers beside its events: high-water marks, tombstones, wills. Each is held against the event that set it. */
export function checkMemory(db: Database, findings: Findings): void {
  const has = (table: string) => db.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(table) !== undefined
  checkMarks(db, findings)
  checkTombstones(db, findings)
  if (has('vanished')) checkVanished(db, findings)
  if (has('wills')) checkWills(db, findings)
}

function checkMarks(db: Database, findings: Findings): void {
  const rows = db.prepare('SELECT address, created_at, id FROM marks').iterate()
  for (const row of rows) {
    const { address, created_at, id } = row as { address: string; created_at: number; id: string }
    const [, kind = '', author] = /^(\d{1,5}):([0-9a-f]{64}):/.exec(address) ?? []
    const d = address.slice(kind.length + 66)
    const shape = addressOf({ kind: Number(kind), pubkey: author ?? '', tags: [['d', d]] })
    if (shape !== address || !isHex64(id) || created_at < 0)
      findings.problem(`the high-water mark of ${JSON.stringify(address)} cannot be read`)
  }
  const unmarked = db
    .prepare(
      `SELECT e.seq, e.json FROM events e NOT INDEXED LEFT JOIN marks m ON m.address = e.address
       WHERE e.address IS NOT NULL AND (m.id IS NOT substr(e.json, 8, 64) OR m.created_at IS NOT e.created_at)`,
    )
    .all() as { seq: number; json: string }[]
  for (const { seq, json } of unmarked)
    findings.damaged(seq, idIn(json), 'the high-water mark of its address names another')
}

/** Deletion requests are kept, so every tombstone they set can be asked for. Those of pruned requests are only looked at. */
function checkTombstones(db: Database, findings: Findings): void {
  const ids = db.prepare('SELECT id, author FROM deleted_ids').iterate()
  for (const row of ids) {
    const { id, author } = row as { id: string; author: string }
    if (!isHex64(id) || !isHex64(author)) findings.problem(`the tombstone of ${JSON.stringify(id)} cannot be read`)
  }
  const addresses = db.prepare('SELECT address, up_to FROM deleted_addresses').iterate()
  for (const row of addresses) {
    const { address, up_to } = row as { address: string; up_to: number }
    if (ownAddress(address, address.split(':')[1] ?? '') === undefined || up_to < 0)
      findings.problem(`the tombstone of ${JSON.stringify(address)} cannot be read`)
  }
  const hasId = db.prepare('SELECT 1 FROM deleted_ids WHERE id = ? AND author = ?').pluck()
  const upTo = db.prepare('SELECT up_to FROM deleted_addresses WHERE address = ?').pluck()
  const requests = db.prepare('SELECT seq, json FROM events NOT INDEXED WHERE kind = ?').iterate(DELETION)
  for (const row of requests) {
    const { seq, json } = row as { seq: number; json: string }
    const request = eventOfText({ json, sig_sum: null })
    for (const [name, value = ''] of request?.tags ?? []) {
      if (request === undefined) break
      const address = name === 'a' ? ownAddress(value, request.pubkey) : undefined
      const idLost = name === 'e' && isHex64(value) && hasId.get(value, request.pubkey) === undefined
      const addressLost = address !== undefined && Number(upTo.get(address) ?? -1) < request.created_at
      if (idLost || addressLost) findings.damaged(seq, request.id, 'a deletion it asks for is not remembered')
    }
  }
}

function checkVanished(db: Database, findings: Findings): void {
  const left = db.prepare(shapeOf(db).vanishedSql).all() as { seq: number; json: string }[]
  for (const { seq, json } of left) findings.damaged(seq, idIn(json), 'its author has vanished, it should not be here')
}

function checkWills(db: Database, findings: Findings): void {
  for (const row of db.prepare('SELECT author, id, json FROM wills').iterate()) {
    const { author, id, json } = row as { author: string; id: string; json: string }
    const value = parseJson(json)
    const will = value.ok ? parseEvent(value.value) : value
    if (!will.ok || !hasValidId(will.value) || will.value.id !== id || will.value.pubkey !== author)
      findings.damaged(undefined, id, 'a will does not hash to its id')
  }
}
