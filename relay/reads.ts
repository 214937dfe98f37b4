import type { Timers } from '../platform/timers.ts'
import type { Cursor } from '../protocol/cursor.ts'
import { encodeEvent } from '../protocol/event.ts'
import type { Filter } from '../protocol/filter.ts'
import { encode } from '../protocol/frames.ts'
import type { EoseHints } from '../protocol/hints.ts'
import { hllOffset } from '../protocol/hll.ts'
import type { Limits } from '../protocol/limits.ts'
import { REASONS, reason } from '../protocol/reasons.ts'
import { scopeOf, withholding } from './access.ts'
import type { Connection } from './connection.ts'
import { Follower, type Source } from './follower.ts'
import type { Sender } from './gate.ts'
import { hasLeft } from './log/asker.ts'
import type { Store } from './log/store.ts'
import { createJudge, openLogPage } from './log-request.ts'
import { type Admission, asksForInvite } from './policy/admission.ts'
import { askerOf } from './policy/asking.ts'
import { sendStored } from './query.ts'
import { openSearch, sendFound } from './search-answer.ts'

export interface ReadsOptions {
  readonly store: Store
  readonly source: Source
  readonly limits: Limits
  readonly timers: Timers
  readonly admission: Admission
  /** Words are indexed. */
  readonly searchable: boolean
  readonly onError: (where: string, error: unknown) => void
}

/** REQ and COUNT: who may ask, which way the answer takes, and what its EOSE says. Every refusal is a CLOSED with its reason. */
export interface Reads {
  /** Starts a subscription; it is filed under its id before this returns. */
  subscribe(connection: Connection, sub: string, filters: readonly Filter[]): void
  count(connection: Connection, sub: string, filters: readonly Filter[]): void
  /** The reason why this sender may not ask this, or undefined. */
  refuse(filters: readonly Filter[], sender: Sender): string | undefined
  /** Resolves to the reason why a cursor is not honoured, or undefined. */
  judge(cursor: Cursor): Promise<string | undefined>
  /** All of an EOSE but what the answer itself tells: position, completeness, floor. */
  hints(filters: readonly Filter[], keys: readonly string[]): Required<Omit<EoseHints, 'complete' | 'seq' | 'floor'>>
}

export function createReads(options: ReadsOptions): Reads {
  const { store, source, limits, timers, admission, searchable, onError } = options
  const judge = createJudge(store, timers)

  const hints: Reads['hints'] = (filters, keys) => ({
    epoch: source.head.epoch,
    scope: scopeOf(keys),
    withheld: withholding(filters, keys) === 'some',
  })

  /** Runs the asynchronous part of a request; a failure is answered by its reason, never by silence. */
  const attempt = (run: () => Promise<void>, answerRefusal: (message: string) => void) => {
    run().catch(error => {
      if (hasLeft(error)) return
      if (isSearchBehind(error)) return answerRefusal(reason('error', error.message))
      onError('query', error)
      answerRefusal(reason('error', 'the log could not be read; try again'))
    })
  }

  const refuse: Reads['refuse'] = (filters: readonly Filter[], sender: Sender): string | undefined => {
    const refusal = admission.refuseRead(filters, sender)
    if (refusal !== undefined) return refusal
    if (!searchable && filters.some(filter => filter.search !== undefined)) return REASONS.noSearch
    if (withholding(filters, sender.keys) !== 'all') return undefined
    const word = sender.keys.length === 0 ? 'auth-required' : 'restricted'
    return reason(word, 'these kinds are served only to the keys they name')
  }

  const invite = (connection: Connection, sub: string, filters: readonly Filter[]): void => {
    const { keys } = connection
    const answer = async () => {
      const invited = admission.refuseRead(filters, connection) ?? (await admission.invite(connection))
      if (typeof invited === 'string') return connection.send(encode.closed(sub, invited))
      connection.send(encode.event(JSON.stringify(sub), encodeEvent(invited)))
      connection.sendEose(sub, { ...hints([], keys), complete: 'finish' })
    }
    attempt(answer, message => connection.send(encode.closed(sub, message)))
  }

  /** Answered once, from what is stored; filed under its id like any subscription, but it listens to nothing. */
  const find = (connection: Connection, sub: string, filters: readonly Filter[]): void => {
    const { keys } = connection
    const follower = new Follower({ sub, filters: [], keys, mode: 'plain', gone: false }, connection, source)
    connection.adopt(follower)
    const answer = async () => {
      const asker = askerOf(connection, connection, () => follower.closed || connection.ended)
      const options = { sub, filters, keys, cap: limits.page, asker }
      const end = await sendFound(options, connection, source)
      if (end === undefined) return
      const { complete, seq } = end
      connection.sendEose(sub, { ...hints(filters, keys), seq, ...(complete ? { complete } : {}) })
      connection.closeSubscription(sub, REASONS.searched)
    }
    attempt(answer, message => {
      if (!follower.closed) connection.closeSubscription(sub, message)
    })
  }

  const subscribe: Reads['subscribe'] = (connection, sub, asked) => {
    const { keys } = connection
    const search = openSearch(asked)
    if (!search.ok) return connection.send(encode.closed(sub, reason('unsupported', search.error)))
    const { filters } = search.value
    if (asksForInvite(filters)) return invite(connection, sub, filters)
    const denied = refuse(filters, connection)
    if (denied !== undefined) return connection.send(encode.closed(sub, denied))
    const log = openLogPage(filters, limits.page)
    if (!log.ok) return connection.send(encode.closed(sub, reason('invalid', log.error)))
    if (search.value.ranked) return find(connection, sub, filters)
    const mode = log.value === undefined ? 'plain' : 'log'
    const gone = log.value?.gone === true
    const ahead = log.value === undefined ? {} : { ahead: connection.readAhead }
    const asker = askerOf(connection, connection, () => follower.closed || connection.ended)
    const follower = new Follower({ sub, filters, keys, mode, gone, asker, ...ahead }, connection, source)
    connection.adopt(follower)
    const answer = async () => {
      if (log.value === undefined) {
        const end = await sendStored({ sub, filters, keys, limits, asker }, connection, source)
        if (end === undefined) return
        const { complete, seq } = end
        connection.sendEose(sub, { ...hints(filters, keys), seq, ...(complete ? { complete } : {}) })
        return follower.follow(seq)
      }
      const { cursor, size } = log.value
      const refusal = await judge(cursor)
      if (follower.closed) return
      if (refusal !== undefined) return connection.closeSubscription(sub, refusal)
      connection.send(encode.seq(sub, cursor.seq, source.head.epoch))
      const page = await follower.page(cursor.seq, size)
      if (page === undefined) return
      connection.sendEose(sub, { ...hints(filters, keys), ...page })
      if (page.complete === 'finish') return follower.goLive()
      connection.retire(sub)
      connection.readAhead.prepare(cursor.seq, {
        filters,
        keys,
        gone,
        after: page.seq,
        limit: size,
        asker: askerOf(connection, connection, () => connection.ended),
      })
    }
    attempt(answer, message => {
      // Its id may meanwhile belong to another subscription.
      if (!follower.closed) connection.closeSubscription(sub, message)
    })
  }

  const count: Reads['count'] = (connection, sub, asked) => {
    const { keys } = connection
    const search = openSearch(asked)
    if (!search.ok) return connection.send(encode.closed(sub, reason('unsupported', search.error)))
    const { filters } = search.value
    const denied = refuse(filters, connection)
    if (denied !== undefined) return connection.send(encode.closed(sub, denied))
    const log = openLogPage(filters, limits.page)
    if (!log.ok) return connection.send(encode.closed(sub, reason('invalid', log.error)))
    const from = log.value?.cursor
    const answer = async () => {
      // Whoever asks for much waits in his own line, and whoever left is not counted for.
      if (connection.ended) return
      const refusal = from && (await judge(from))
      if (refusal !== undefined) return connection.send(encode.closed(sub, refusal))
      const asker = askerOf(connection, connection, () => connection.ended)
      const who = { keys, now: source.now(), asker }
      const [only, ...others] = filters
      const isPlain = only !== undefined && others.length === 0 && from === undefined
      const offset = isPlain ? hllOffset(only) : undefined
      const hll = !isPlain || offset === undefined ? undefined : await store.hll(only, offset, who)
      connection.send(encode.count(sub, await store.count(filters, who), hll))
    }
    attempt(
      () => connection.inTurn(answer),
      message => connection.send(encode.closed(sub, message)),
    )
  }

  return { subscribe, count, refuse, judge, hints }
}

/** Told as it is: nothing is broken. */
const isSearchBehind = (error: unknown): error is Error =>
  error instanceof Error && (error as { code?: unknown }).code === 'search-behind'
