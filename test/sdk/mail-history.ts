import type { MailStore } from 'posthorn'
import type { Mail, Outcome, WorkQuery } from '#dist/sdk/mail/store.js'

/** Small ids, so that the same ones come up again. */
export const id = (n: number): string => n.toString(16).padStart(64, '0')
export const SENDERS = ['a', 'b', 'c', 'd', 'e'].map(letter => letter.repeat(64))
const RELAYS = ['ws://r', 'ws://s', 'ws://t'] as const
const EPOCHS = ['0000000000010000', '0000000000020000'] as const
const feed = { relay: 'ws://r', filter: 'f' }

/** A repeatable source of whole numbers below `n` (mulberry32). */
export type Dice = (n: number) => number
export function diceOf(seed: number): Dice {
  let state = seed >>> 0
  return n => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

const ofAll = <T>(dice: Dice, all: readonly T[]): T => all[dice(all.length)] as T

export function mailOf(dice: Dice, n: number): Mail {
  const isPost = dice(5) === 0
  const stranger = ofAll(dice, ['listed', 'held', undefined, undefined, undefined] as const)
  const priority = ofAll(dice, ['high', 'low', undefined, undefined] as const)
  return {
    id: id(n),
    from: ofAll(dice, SENDERS),
    text: `text ${n}`,
    act: isPost ? 'publish' : ofAll(dice, ['request', 'query', 'dance']),
    at: 1_700_000_000 + n,
    private: true,
    relay: 'ws://r',
    event: '{}',
    ...(isPost ? { topic: ofAll(dice, ['jobs', 'jobs/linux', 'jobsite', 'news/a']) } : {}),
    ...(!isPost && dice(3) === 0 ? { schema: ofAll(dice, ['s1', 's2']) } : {}),
    ...(dice(4) === 0 ? { idem: `k${dice(6)}` } : {}),
    ...(stranger ? { stranger } : {}),
    ...(priority ? { priority } : {}),
    ...(dice(2) === 0 ? { receiptDue: true } : {}),
    ...(dice(6) === 0 ? { replyTo: id(dice(40)) } : {}),
  }
}

/** One change of the sort an agent makes, drawn by dice. Times grow with `n`. */
export function change(store: MailStore, dice: Dice, n: number, ids = 40): void {
  const nowMs = 1_000 * n
  const one = id(dice(ids))
  const relay = ofAll(dice, RELAYS)
  const seq = 1 + dice(20)
  const outcome = (): Outcome => {
    const about = { id: id(dice(ids)) }
    switch (dice(5)) {
      case 0:
        return { ...about, state: 'expired' }
      case 1:
        return { ...about, state: 'undeliverable', reason: 'undeliverable: x' }
      case 2:
        return dice(3) === 0
          ? { ...about, state: 'waiting', relay, reason: 'rate-limited: x' }
          : { ...about, state: 'refused', relay, reason: 'blocked: x' }
      default:
        return { ...about, state: 'stored', relay, ...(dice(3) > 0 ? { seq, epoch: ofAll(dice, EPOCHS) } : {}) }
    }
  }
  const changes: (() => unknown)[] = [
    () =>
      store.record({
        feed,
        mail: Array.from({ length: 1 + dice(3) }, () => mailOf(dice, dice(ids))),
        dropped: dice(4) === 0 ? [ofAll(dice, SENDERS)] : [],
        displaced: dice(4) === 0 ? [one] : [],
        seen: dice(4) === 0 ? [{ id: id(1_000 + dice(50)), at: dice(100) }] : [],
      }),
    () => {
      const state = ofAll(dice, ['received', 'working', 'done', 'failed'] as const)
      const receipt = { id: id(2_000 + n), of: one, from: store.recipient(one) ?? '', state, at: n, private: false }
      store.record({ feed, mail: [], receipts: [receipt], nowMs })
    },
    () => store.markRead(one),
    () => store.get(one)?.state === 'new' && store.beginWork(one),
    () => {
      if (store.get(one)?.state !== 'working') return
      const state = ofAll(dice, ['done', 'failed', 'set-aside'] as const)
      store.endWork(
        one,
        {
          state,
          ...(state === 'failed' ? { dueMs: nowMs + dice(20_000) } : {}),
          ...(dice(2) ? { receipted: true } : {}),
        },
        dice(2) ? [{ id: id(dice(ids)), to: ofAll(dice, SENDERS), event: '{}' }] : [],
      )
    },
    () => dice(5) === 0 && store.reopenWork(),
    () => store.acknowledge([one], dice(2) ? [{ id: id(dice(ids)), to: ofAll(dice, SENDERS), event: '{"r":1}' }] : []),
    () => dice(4) === 0 && store.judge(ofAll(dice, SENDERS), ofAll(dice, ['accepted', 'denied', undefined] as const)),
    () => store.release(ofAll(dice, SENDERS), 1 + dice(3)),
    () => store.retry(one),
    () => store.dismiss(one),
    () =>
      store.enqueue({
        id: one,
        to: ofAll(dice, SENDERS),
        event: '{}',
        ...(dice(3) === 0 ? { expires: n + dice(50) } : {}),
        ...(dice(4) === 0 ? { idem: `o${n}` } : {}),
      }),
    () => store.address(one, dice(2) ? [relay] : RELAYS, dice(3) ? [] : [RELAYS[2]], nowMs),
    () => store.settle([outcome(), outcome()], nowMs),
    () => store.redate(one, '{"again":1}'),
    () => store.requeue(one),
    () => store.forget(one),
    () =>
      dice(3) === 0 &&
      store.carryOver(relay, { from: ofAll(dice, [...EPOCHS, undefined]), to: EPOCHS[1], upTo: dice(20) }),
    () => {
      for (const row of store.awaitingFrom(ofAll(dice, SENDERS), 0, 100))
        if ((row.settledMs ?? nowMs) > nowMs - 20_000) store.address(row.id, [relay], dice(2) ? [RELAYS[0]] : [], nowMs)
    },
    () =>
      store.prune(
        {
          nowMs,
          storedBeforeMs: nowMs - 30_000,
          concludedBeforeMs: nowMs - 20_000,
          heardBeforeMs: nowMs - 40_000,
          settledBeforeMs: nowMs - 90_000,
        },
        100,
      ),
  ]
  ofAll(dice, changes)()
}

/** What every question of a store is answered. Lists without a promised order are sorted. */
export function answers(store: MailStore, nowMs: number, ids = 40): Record<string, unknown> {
  const all = Array.from({ length: ids }, (_, n) => id(n))
  const names = (rows: readonly { readonly id: string }[]) => rows.map(row => row.id)
  // SQLite leaves numbers out where a known message came again.
  const second = store.list({})[1]?.ordinal ?? 0
  const secondOut = store.queued(0, 2)[1]?.ordinal ?? 0
  const queries: Omit<WorkQuery, 'nowMs'>[] = [
    { act: 'request' },
    { act: 'request', schema: 's1' },
    { act: 'request', notSchemas: ['s1'] },
    { act: 'query', from: SENDERS.slice(0, 2) },
    { topics: ['jobs'] },
    { topics: ['news', 'jobs/linux'], notFrom: SENDERS.slice(0, 3) },
  ]
  return {
    counts: { ...store.counts() },
    receiptsDue: [store.receiptsDueCount(), names(store.receiptsDue(100))],
    unreadSenders: [...store.unreadSenders()].sort(),
    strangers: store
      .strangers()
      .filter(({ listed, held, dropped, verdict }) => listed + held + dropped > 0 || verdict !== undefined)
      .map(({ pubkey, listed, held, dropped, verdict }) => [pubkey, listed, held, dropped, verdict])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    strangerCounts: SENDERS.map(sender => ({ ...store.strangerCounts(sender) })),
    countWork: queries.map(({ notFrom, ...query }) => store.countWork(query)),
    nextWork: queries.map(query => store.nextWork({ ...query, nowMs })?.id),
    nextDueMs: [store.nextDueMs(), store.nextDueMs(nowMs)],
    unhandled: names(store.unhandled({ except: ['query'], limit: 5 })),
    finished: SENDERS.map(sender => store.finished(sender, 'k1')?.id),
    lists: [
      names(store.list({})),
      names(store.list({ held: true })),
      names(store.list({ held: true, from: SENDERS[0] as string })),
      names(store.list({ unread: true, limit: 3 })),
      names(store.list({ unread: true, after: second, limit: 3 })),
      names(store.list({ from: SENDERS[1] as string, after: second })),
      names(store.list({ from: SENDERS[1] as string, unread: true })),
      names(store.list({ state: 'set-aside' })),
      names(store.list({ limit: 4 })),
    ],
    inbox: all.map(one => {
      const mail = store.get(one)
      return mail && [mail.state, mail.read, mail.attempts, mail.stranger, mail.receiptDue ?? false]
    }),
    replies: all.flatMap(one => names(store.repliesTo(one, 0))),
    outbox: all.map(one => [store.delivery(one)?.state, store.copies(one), names(store.receipts(one))]),
    queued: [names(store.queued(0, 100)), names(store.queued(secondOut, 2)), names(store.queued(0, 9, SENDERS[0]))],
    expiring: store.expiring(100).map(({ expires }) => expires),
    unaddressed: names(store.unaddressed(0, 100)),
    awaitingFrom: SENDERS.map(sender => names(store.awaitingFrom(sender, 0, 100))),
    awaiting: [[...store.awaiting(0)].sort(), [...store.awaiting(nowMs - 15_000)].sort()],
    overdue: [...store.overdue(nowMs - 10_000, 100)].sort(),
    waiting: RELAYS.map(relay => names(store.waiting(relay, 0, 100))),
    waitingRelays: [...store.waitingRelays()].sort(),
    unheard: [...store.unheard()].sort(),
    acknowledged: RELAYS.map(relay =>
      [...store.acknowledged(relay)].sort((a, b) => String(a.epoch ?? '').localeCompare(String(b.epoch ?? ''))),
    ),
    refused: names(store.refused()),
    sentAs: SENDERS.map(sender => store.sentAs(sender, 'o7')),
    seen: [...store.seen().events].map(event => event.id).sort(),
  }
}
