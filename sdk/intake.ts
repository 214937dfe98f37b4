import { idOf } from './mail/alias.ts'
import type { Mail, MailBatch, MailStore, StoredMail } from './mail/store.ts'
import type { Receipt } from './mail/types.ts'

/** How much of strangers is kept. What is not listed is held in the request box, what is not held is only counted. */
export const STRANGER_LIMITS = { listed: 20, held: 100, allListed: 500, allHeld: 2_000 } as const

export interface IntakeOptions {
  readonly store: MailStore
  /** The agent's own key: its posts to a topic come back to it. */
  readonly pubkey: string
  /** Contacts, accepted strangers, the agent itself. */
  knownKeys(): readonly string[]
  /** The sender is told what becomes of its message. */
  mayReceipt(from: string): boolean
  /** True if this message makes its sender a contact. */
  admit(mail: Mail): boolean
}

/** What comes in, sorted before it is kept: strangers within their limits, receipts that are news. */
export interface Intake {
  /** One transaction. */
  take(batch: MailBatch): { readonly mail: readonly StoredMail[]; readonly receipts: readonly Receipt[] }
  /** After something of a stranger was worked off: what it has in the request box moves up. */
  refill(from: string): readonly StoredMail[]
}

export function createIntake({ store, pubkey, knownKeys, mayReceipt, admit }: IntakeOptions): Intake {
  /** Counts of one batch, so that a thousand messages in it meet the limits one by one. */
  function gate(displaced: Mail[]) {
    const known = new Set(knownKeys())
    const denied = new Set(store.judged('denied'))
    const all = { listed: 0, held: 0, loaded: false }
    const each = new Map<string, { listed: number; held: number }>()
    /** How much is held of each stranger, less what gave way. */
    let held: Map<string, number> | undefined
    const newest = new Map<string, Mail[]>()

    /** A full box is shared out: the newest of the sender who has most gives way to one who has less. Undefined: nobody has. */
    function displace(counts: { readonly held: number }): Mail | undefined {
      held ??= new Map(store.strangers().map(each => [each.pubkey, each.held]))
      let victim = ''
      let most = counts.held + 1
      for (const [sender, count] of held) if (count > most) [victim, most] = [sender, count]
      // Who was told that a message was received is not deprived of it.
      if (victim === '' || mayReceipt(victim)) return undefined
      const box = newest.get(victim) ?? [...store.list({ held: true, from: victim })]
      newest.set(victim, box)
      const gone = box.pop()
      held.set(victim, gone ? most - 1 : 0)
      return gone
    }

    return function place(mail: Mail): 'known' | 'listed' | 'held' | 'dropped' {
      const { from } = mail
      if (denied.has(from)) return 'dropped'
      // An invite is good however full the box is.
      if (admit(mail)) known.add(from)
      if (known.has(from)) return 'known'
      let counts = each.get(from)
      if (!counts) {
        const stored = store.strangerCounts(from)
        if (!all.loaded) Object.assign(all, { listed: stored.allListed, held: stored.allHeld, loaded: true })
        counts = { listed: stored.listed, held: stored.held }
        each.set(from, counts)
      }
      for (const box of ['listed', 'held'] as const) {
        const isAll = box === 'listed' ? STRANGER_LIMITS.allListed : STRANGER_LIMITS.allHeld
        // What is held comes first: a sender's order is kept.
        if (box === 'listed' && counts.held > 0) continue
        if (counts[box] >= STRANGER_LIMITS[box]) continue
        if (all[box] >= isAll) {
          const other = box === 'held' ? displace(counts) : undefined
          if (!other) continue
          displaced.push(other)
          all.held -= 1
          const theirs = each.get(other.from)
          if (theirs) theirs.held -= 1
        }
        counts[box] += 1
        all[box] += 1
        return box
      }
      return 'dropped'
    }
  }

  function isNews(receipt: Receipt): boolean {
    return (
      store.recipient(receipt.of) === receipt.from && !store.receipts(receipt.of).some(({ id }) => id === receipt.id)
    )
  }

  /** What was signed again by the right clock is known here by its first id. */
  function named(mail: Mail): Mail {
    const { replyTo, root } = mail
    return {
      ...mail,
      ...(replyTo === undefined ? {} : { replyTo: idOf(store, replyTo) }),
      ...(root === undefined ? {} : { root: idOf(store, root) }),
    }
  }

  return {
    take({ mail: given, receipts: answers = [], seen = [], ...batch }) {
      const mail = given.map(named)
      const receipts = answers.map(receipt => ({ ...receipt, of: idOf(store, receipt.of) }))
      const displaced: Mail[] = []
      const place = gate(displaced)
      const kept: Mail[] = []
      const dropped: Mail[] = []
      const ids = new Set<string>()
      const told = new Set<string>()
      const isTold = (from: string) => {
        if (!told.has(from) && mayReceipt(from)) told.add(from)
        return told.has(from)
      }
      for (const one of mail) {
        const isEcho = one.topic !== undefined && one.from === pubkey
        if (isEcho || ids.has(one.id) || store.get(one.id)) continue
        ids.add(one.id)
        const box = place(one)
        if (box === 'dropped') {
          dropped.push(one)
          continue
        }
        const receiptDue = one.topic === undefined && one.wrap !== 'chat' && isTold(one.from)
        kept.push({
          ...one,
          ...(box === 'known' ? {} : { stranger: box }),
          ...(receiptDue ? { receiptDue } : {}),
        })
      }
      const news = receipts.filter(isNews)
      const added = store.record({
        ...batch,
        mail: kept,
        receipts: news,
        dropped: [...dropped, ...displaced].map(({ from }) => from),
        displaced: displaced.map(({ id }) => id),
        seen: [...seen, ...[...dropped, ...displaced].filter(({ wrap }) => wrap === undefined)],
      })
      return { mail: added.filter(({ stranger }) => stranger !== 'held'), receipts: news }
    },
    refill(from) {
      const { listed, held, allListed } = store.strangerCounts(from)
      const room = Math.min(STRANGER_LIMITS.listed - listed, STRANGER_LIMITS.allListed - allListed)
      return held > 0 && room > 0 ? store.release(from, room) : []
    },
  }
}
