import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { encodeEvent, type NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { backupName, openDatabase } from '#dist/platform/sqlite.js'
import { makeEpoch } from '#dist/protocol/cursor.js'
import { LOG_APPLICATION_ID, LOG_MIGRATIONS } from '#dist/relay/log/sqlite/schema.js'
import { checkFolder } from '#dist/relay/tools.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startRelay } from './relay-on-test.ts'
import { idsOf, isFor, seqOf, seqsOf } from './wire.ts'

const [alice, bob] = [person('alice'), person('bob')]
const now = nowSeconds()
const CARD = 10_001
const note = alice.sign({ created_at: now - 90, content: 'the quick brown fox', tags: [['t', 'x']] })
const mail = alice.sign({ kind: 4700, created_at: now - 80, content: 'sealed', tags: [['p', bob.pubkey]] })
const [oldCard, card] = [80, 70].map(age => alice.sign({ kind: CARD, created_at: now - age })) as [
  NostrEvent,
  NostrEvent,
]
const regretted = alice.sign({ created_at: now - 60, content: 'never mind' })
const deletion = alice.sign({ kind: 5, created_at: now - 50, tags: [['e', regretted.id]] })
const epoch = makeEpoch(Date.now() - 100_000, 7, [])

/** The schemas whose rows have the shape written below; the next ones are made from these by migrating. */
const OLD = [1, 2, 3, 4, 5]

/** The log of an older relay: mail, a card that took the place of another, an event that its author deleted. */
function oldLog(version: number): string {
  const dir = tempDir()
  const db = openDatabase(join(dir, 'log.db'), {
    applicationId: LOG_APPLICATION_ID,
    migrations: LOG_MIGRATIONS.slice(0, version),
  })
  const address = `${CARD}:${alice.pubkey}:`
  const insert = db.prepare(
    `INSERT INTO events (seq, id, pubkey, created_at, kind, address, received_at, json) VALUES (?, ?, ?, ?, ?, ?, 0, ?)`,
  )
  const tag = db.prepare('INSERT INTO tags (name, value, seq, created_at) VALUES (?, ?, ?, ?)')
  for (const [seq, event] of [
    [1, note],
    [2, mail],
    [4, card],
    [7, deletion],
  ] as const) {
    const { id, pubkey, created_at, kind, tags } = event
    insert.run(seq, id, pubkey, created_at, kind, event === card ? address : null, encodeEvent(event))
    for (const [name, value] of tags) tag.run(name, value, seq, created_at)
  }
  const remove = db.prepare(`INSERT INTO removals (seq, op, address, removed_at, target) VALUES (?, ?, ?, 0, ?)`)
  const header = ({ id, pubkey, created_at, kind, tags }: NostrEvent) =>
    JSON.stringify({ id, pubkey, created_at, kind, tags })
  remove.run(5, 'replaced', address, header(oldCard))
  remove.run(8, 'deleted', null, header(regretted))
  db.prepare('INSERT INTO marks VALUES (?, ?, ?)').run(address, card.created_at, card.id)
  db.prepare('INSERT INTO deleted_ids VALUES (?, ?)').run(regretted.id, alice.pubkey)
  db.prepare('INSERT INTO epochs VALUES (?, 0)').run(epoch)
  db.exec('UPDATE log SET last = 8')
  db.close()
  return dir
}

test.each(OLD)(
  'schema %i: cursors, marks and deletions of the older relay hold, search finds, the log goes on',
  async version => {
    const data = oldLog(version)
    const { connect } = await startRelay({ data })
    expect(existsSync(backupName(join(data, 'log.db'), version))).toBe(true)
    const wire = await connect()
    const all = await wire.request('all', { since_seq: 0 })
    expect(idsOf(all)).toEqual([note.id, mail.id, card.id, deletion.id])
    expect(seqsOf(all)).toEqual([1, 2, 4, 7])
    // From a position that the older relay told; a replacement is not told where its successor matches.
    const since = await wire.request('since', { since_seq: 2, epoch, gone: true })
    expect(since.filter(isFor('GONE')).map(([, , seq, id, why]) => [seq, id, why])).toEqual([
      [8, regretted.id, 'deleted'],
    ])
    expect(seqsOf(since)).toEqual([4, 7])
    expect(idsOf(await wire.request('tag', { '#t': ['x'] }))).toEqual([note.id])
    expect(idsOf(await wire.request('mail', { kinds: [4700], '#p': [bob.pubkey] }))).toEqual([mail.id])
    expect(idsOf(await wire.request('search', { search: 'brown fox' }))).toEqual([note.id])
    expect((await wire.publish(oldCard)).slice(2)).toEqual([false, expect.stringMatching(/^invalid: outdated/)])
    expect((await wire.publish(regretted))[2]).toBe(false)
    expect((await wire.publish(note))[3]).toBe('duplicate: seq 1')
    expect(seqOf(await wire.publish(bob.sign({ created_at: now })))).toBe(9)
    expect(await checkFolder(data)).toMatchObject({ ok: true, last: 9 })
  },
)
