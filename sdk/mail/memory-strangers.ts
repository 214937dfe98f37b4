import type { OpenTable, Table } from '../tables.ts'
import type { MailStore, StoredMail, Stranger, Verdict } from './store.ts'

/** An inbox row of a store in tables. */
export type Work = StoredMail & { readonly dueMs: number }

interface StrangerRow {
  readonly pubkey: string
  readonly dropped: number
  readonly verdict?: Verdict
}

/** Senders with nothing kept that are counted one by one; the rest is counted together, under the empty key. */
export const COUNTED_STRANGERS = 1_000

type Part = Pick<MailStore, 'strangers' | 'strangerCounts' | 'judge' | 'recovered' | 'judged' | 'release'> & {
  drop(senders: readonly string[]): void
  displace(ids: readonly string[]): void
}

/** The request box of a store in tables. */
export function createMemoryStrangers(openTable: OpenTable, inbox: Table<Work>): Part {
  const rows = openTable<StrangerRow>('strangers')
  const mails = () => [...inbox.values()]
  const isListed = (mail: StoredMail) => mail.stranger === 'listed' && !mail.read
  const isHeld = (mail: StoredMail) => mail.stranger === 'held'
  const put = (mail: Work, stranger: 'listed' | undefined): Work => {
    const { stranger: _, ...rest } = mail
    const moved = Object.freeze({ ...rest, ...(stranger ? { stranger } : {}) })
    inbox.set(mail.id, moved)
    return moved
  }

  return {
    drop(senders) {
      for (const sender of senders) {
        const pubkey = rows.has(sender) || rows.size < COUNTED_STRANGERS ? sender : ''
        const row = rows.get(pubkey) ?? { pubkey, dropped: 0 }
        rows.set(pubkey, Object.freeze({ ...row, dropped: row.dropped + 1 }))
      }
    },
    displace(ids) {
      for (const id of ids) {
        const mail = inbox.get(id)
        if (mail && isHeld(mail)) inbox.delete(id)
      }
    },
    strangers() {
      const found = new Map<string, { listed: number; held: number }>()
      for (const mail of mails()) {
        if (!isListed(mail) && !isHeld(mail)) continue
        const counts = found.get(mail.from) ?? { listed: 0, held: 0 }
        found.set(mail.from, counts)
        counts[isHeld(mail) ? 'held' : 'listed'] += 1
      }
      return [...new Set([...found.keys(), ...rows.keys()])].map((pubkey): Stranger => {
        const { dropped = 0, verdict } = rows.get(pubkey) ?? {}
        return Object.freeze({
          pubkey,
          ...(found.get(pubkey) ?? { listed: 0, held: 0 }),
          dropped,
          ...(verdict ? { verdict } : {}),
        })
      })
    },
    strangerCounts(from) {
      const counts = { listed: 0, held: 0, allListed: 0, allHeld: 0 }
      for (const mail of inbox.values()) {
        if (isListed(mail)) {
          counts.allListed += 1
          if (mail.from === from) counts.listed += 1
        } else if (isHeld(mail)) {
          counts.allHeld += 1
          if (mail.from === from) counts.held += 1
        }
      }
      return counts
    },
    judge(pubkey, verdict) {
      const others = verdict === 'accepted' && !rows.has(pubkey) ? (rows.get('')?.dropped ?? 0) : 0
      if (others > 0) rows.set('', Object.freeze({ pubkey: '', dropped: others - 1 }))
      const { verdict: _, ...row } = rows.get(pubkey) ?? { pubkey, dropped: Math.min(others, 1) }
      if (verdict) rows.set(pubkey, Object.freeze({ ...row, verdict }))
      else if (row.dropped > 0) rows.set(pubkey, Object.freeze(row))
      else rows.delete(pubkey)
      for (const mail of mails()) {
        if (mail.from !== pubkey || mail.stranger === undefined) continue
        if (verdict === 'accepted') put(mail, undefined)
        else if (verdict === 'denied' && isHeld(mail)) inbox.delete(mail.id)
      }
    },
    recovered(pubkey) {
      const row = rows.get(pubkey)
      if (row) rows.set(pubkey, Object.freeze({ ...row, dropped: 0 }))
    },
    judged: verdict => [...rows.values()].filter(row => row.verdict === verdict).map(({ pubkey }) => pubkey),
    release: (from, limit) =>
      mails()
        .filter(mail => mail.from === from && isHeld(mail))
        .slice(0, limit)
        .map(mail => put(mail, 'listed')),
  }
}
