import type { Database, Statement } from '../../platform/sqlite.ts'
import { COUNTED_STRANGERS } from '../mail/memory-strangers.ts'
import type { MailStore, Stranger, Verdict } from '../mail/store.ts'
import { type InboxRow, toMail } from './mail-rows.ts'

interface Strangers {
  readonly methods: Pick<MailStore, 'strangers' | 'strangerCounts' | 'judge' | 'recovered' | 'judged' | 'release'>
  drop(senders: readonly string[]): void
  displace(ids: readonly string[]): void
}

/** The request box of a SQLite mail store. */
export function strangersOn(db: Database, sql: (text: string) => Statement): Strangers {
  const LISTED = "inbox INDEXED BY inbox_listed WHERE stranger = 'listed' AND read = 0"
  const HELD = "inbox INDEXED BY inbox_strangers WHERE stranger IS NOT NULL AND stranger = 'held'"
  const bySender = (rows: string) => `SELECT sender AS pubkey, count(*) AS n FROM ${rows} GROUP BY sender`

  return {
    drop(senders) {
      for (const sender of senders) {
        const isKnown = sql('SELECT 1 FROM strangers WHERE pubkey = ?').get(sender) !== undefined
        const isRoom = isKnown || Number(sql('SELECT count(*) FROM strangers').pluck().get()) < COUNTED_STRANGERS
        sql(`INSERT INTO strangers (pubkey, dropped) VALUES (?, 1)
          ON CONFLICT (pubkey) DO UPDATE SET dropped = dropped + 1`).run(isRoom ? sender : '')
      }
    },
    displace(ids) {
      for (const id of ids) sql("DELETE FROM inbox WHERE id = ? AND stranger = 'held'").run(id)
    },
    methods: {
      strangers: () =>
        (
          sql(`
          SELECT pubkey, sum(listed) AS listed, sum(held) AS held, sum(dropped) AS dropped, max(verdict) AS verdict FROM (
            SELECT pubkey, n AS listed, 0 AS held, 0 AS dropped, NULL AS verdict FROM (${bySender(LISTED)})
            UNION ALL SELECT pubkey, 0, n, 0, NULL FROM (${bySender(HELD)})
            UNION ALL SELECT pubkey, 0, 0, dropped, verdict FROM strangers)
          GROUP BY pubkey HAVING sum(listed) + sum(held) + sum(dropped) > 0 OR max(verdict) IS NOT NULL`).all() as (Omit<
            Stranger,
            'verdict'
          > & { verdict: Verdict | null })[]
        ).map(({ verdict, ...row }) => Object.freeze({ ...row, ...(verdict === null ? {} : { verdict }) })),
      strangerCounts(from) {
        const of = (rows: string) => Number(sql(`SELECT count(*) FROM ${rows} AND sender = ?`).pluck().get(from))
        const all = sql('SELECT listed AS allListed, held AS allHeld FROM counts').get() as {
          allListed: number
          allHeld: number
        }
        return { listed: of(LISTED), held: of(HELD), ...all }
      },
      judge: db.transaction((pubkey: string, verdict: Verdict | undefined) => {
        if (verdict === 'accepted' && sql('SELECT 1 FROM strangers WHERE pubkey = ?').get(pubkey) === undefined) {
          const other = sql("UPDATE strangers SET dropped = dropped - 1 WHERE pubkey = '' AND dropped > 0").run()
            .changes
          if (other > 0) sql('INSERT INTO strangers (pubkey, dropped) VALUES (?, 1)').run(pubkey)
        }
        sql(`INSERT INTO strangers (pubkey, verdict) VALUES (?, ?)
          ON CONFLICT (pubkey) DO UPDATE SET verdict = excluded.verdict`).run(pubkey, verdict ?? null)
        sql('DELETE FROM strangers WHERE pubkey = ? AND dropped = 0 AND verdict IS NULL').run(pubkey)
        if (verdict === 'accepted')
          sql("UPDATE inbox SET stranger = NULL WHERE sender = ? AND stranger IN ('listed', 'held')").run(pubkey)
        if (verdict === 'denied') sql("DELETE FROM inbox WHERE sender = ? AND stranger = 'held'").run(pubkey)
      }).immediate,
      recovered: pubkey => void sql('UPDATE strangers SET dropped = 0 WHERE pubkey = ?').run(pubkey),
      judged: verdict => sql('SELECT pubkey FROM strangers WHERE verdict = ?').pluck().all(verdict) as string[],
      release: (from, limit) =>
        (
          sql(`UPDATE inbox SET stranger = 'listed' WHERE ordinal IN (
            SELECT ordinal FROM inbox WHERE sender = ? AND stranger = 'held' ORDER BY ordinal LIMIT ?) RETURNING *`).all(
            from,
            limit,
          ) as InboxRow[]
        )
          .map(toMail)
          .sort((a, b) => a.ordinal - b.ordinal),
    },
  }
}
