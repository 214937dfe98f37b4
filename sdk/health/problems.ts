import type { RelayStatus } from '../api.ts'
import { isRefusal } from './complete.ts'
import type { HealthFacts, RecordFacts } from './facts.ts'

/** What is wrong, by a word that stays the same from release to release. */
export type ProblemCode =
  | 'relay-unreachable'
  | 'relay-refuses'
  | 'relay-takes-no-mail'
  | 'relay-behind'
  | 'relay-may-miss'
  | 'relay-suspect'
  | 'relay-partial'
  | 'clock-off'
  | 'mail-waiting'
  | 'mail-undelivered'
  | 'mail-failed'
  | 'senders-unknown'
  | 'state-waiting'
  | 'document-waiting'
  | 'card-waiting'
  | 'disk-unwritable'
  | 'storage-gone'
  | 'storage-full'

export interface Problem {
  readonly code: ProblemCode
  /** `fail`: mail or state does not come or go now. `warn`: it does, and somebody should look. */
  readonly level: 'warn' | 'fail'
  /** Which of several: a relay's URL, a document's id. */
  readonly about?: string
  readonly what: string
  /** The words of a relay or of an error, as far as known: untrusted text. */
  readonly reason?: string
  /** What to do. */
  readonly do: string
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/**
 * Everything that was sent, set or edited here is where it is read, and none of it was refused. Of each message one relay where its
 * recipient is known to read has a copy, or one of the sender's own where none is known (`Delivery`); of state and documents as many as
 * they ask for. Whether a recipient has read a message, only its receipt says. False where something is not known.
 */
export const isPublished = ({ queue, undelivered, records, state }: HealthFacts): boolean =>
  queue === 0 &&
  undelivered === 0 &&
  (records ?? [asRecord(state)]).every(
    ({ unwritten, unsent, error }) => unwritten + unsent === 0 && error === undefined,
  )

/** The state of a running agent in one; without it nothing is known. */
const asRecord = (state: HealthFacts['state']): RecordFacts =>
  state === undefined
    ? { kind: 'state', unwritten: 0, unsent: 0, error: 'not looked at' }
    : { kind: 'state', unwritten: state.unwritten, unsent: state.unacknowledged }

/**
 * What somebody should look at, worst first. Empty means: of the facts that are given, none is amiss.
 * @example
 * for (const { what, do: advice } of problemsOf(agent.status())) console.log(what, advice)
 */
export function problemsOf(facts: HealthFacts): readonly Problem[] {
  const found = [
    ...storageProblems(facts),
    ...(facts.relays ?? []).flatMap(relayProblems),
    ...(facts.relays ?? []).flatMap(clockProblems),
    ...mailProblems(facts),
    ...(facts.records ?? []).flatMap(record => recordProblems(record)),
    ...(facts.records === undefined && facts.state !== undefined
      ? recordProblems(asRecord(facts.state), 'state, boards and documents')
      : []),
  ]
  return [...found.filter(({ level }) => level === 'fail'), ...found.filter(({ level }) => level === 'warn')]
}

/** Nothing is amiss. Give it every problem that is known, whoever found it. */
export const allWell = (problems: readonly unknown[]): boolean => problems.length === 0

function relayProblems({ url: about, state, error, mayMiss, partial, suspect }: RelayStatus): Problem[] {
  const problem = (code: ProblemCode, what: string, advice: string, level: Problem['level'] = 'fail'): Problem[] => [
    { code, level, about, what, ...(error === undefined ? {} : { reason: error }), do: advice },
  ]
  if (state === 'offline')
    return problem(
      'relay-unreachable',
      error === undefined ? 'it was not reached yet' : 'it cannot be reached',
      'check the address, the relay and the network; it is tried again by itself',
    )
  if (isRefusal(error))
    return problem('relay-refuses', 'it does not serve this key', 'join it with an invite, or use another relay')
  if (state === 'catching-up')
    return error === undefined
      ? problem('relay-behind', 'what it has is not all here yet', 'wait, or run posthorn catchup', 'warn')
      : problem('relay-refuses', 'it does not answer for the inbox', 'ask its operator, or use another relay')
  if (error !== undefined)
    return problem('relay-takes-no-mail', 'it takes no mail', 'ask its operator, or use another relay')
  if (suspect)
    return problem(
      'relay-suspect',
      'mail may be missing: an event came damaged, or the log of a relay went back, and what it has was not compared yet',
      'leave the agent open, or run posthorn catchup again; if it stays so, use another relay as well',
      'warn',
    )
  if (partial !== undefined)
    return [
      {
        code: 'relay-partial',
        level: 'warn',
        about,
        what: 'it may have mail that it did not give, though it was asked for everything',
        reason: partial,
        do: 'use another relay as well; one that keeps log order (posthorn relay does) leaves nothing out',
      },
    ]
  if (mayMiss)
    return problem(
      'relay-may-miss',
      'it keeps no log order: late or back-dated messages may be missed',
      'add a relay that keeps one (posthorn relay does)',
      'warn',
    )
  return []
}

function storageProblems({ storage }: HealthFacts): Problem[] {
  if (storage === undefined) return []
  return [
    storage === 'storage-gone'
      ? {
          code: storage,
          level: 'fail',
          what: 'the storage of this profile is gone: its data was cleared, or removed by the browser',
          do: 'restoreStorage(agent) writes back what is in memory, key included; without that it ends with this page',
        }
      : {
          code: storage,
          level: 'fail',
          what: 'the browser does not store what is written: its quota may be used up',
          do: 'free space on this device; it is tried again with the next change',
        },
  ]
}

function clockProblems({ url: about, clock: reason }: RelayStatus): Problem[] {
  if (reason === undefined) return []
  const what = 'it refuses what is dated now: the clock of this machine is wrong, or its own'
  const advice = 'set the clock that is wrong (NTP); what was refused then goes out by itself'
  return [{ code: 'clock-off', level: 'fail', about, what, reason, do: advice }]
}

function mailProblems({ queue = 0, undelivered = 0, failed = 0, unknownSenders = 0 }: HealthFacts): Problem[] {
  const warn = (count: number, code: ProblemCode, what: string, advice: string): Problem[] =>
    count === 0 ? [] : [{ code, level: 'warn', what, do: advice }]
  return [
    ...warn(
      queue,
      'mail-waiting',
      `${plural(queue, 'message')} not yet with a relay of their recipient`,
      'posthorn catchup tries again; posthorn receipts <id> says what each relay answered',
    ),
    ...warn(
      undelivered,
      'mail-undelivered',
      `${plural(undelivered, 'sent message')} that the relays of their recipient did not take: given up`,
      'agent.deadLetters lists, retries or drops them; posthorn receipts <id> has the reasons',
    ),
    ...warn(
      failed,
      'mail-failed',
      `${plural(failed, 'received message')} in the dead letters: every attempt of the handler failed`,
      'agent.deadLetters lists, retries or drops them; posthorn inbox shows why',
    ),
    ...warn(
      unknownSenders,
      'senders-unknown',
      `unread mail from ${plural(unknownSenders, 'unknown sender')}; no handler works for them`,
      'posthorn inbox --unread marks them; read what they want, then accept or deny them as contacts',
    ),
  ]
}

const RECORD_NAMES: Readonly<Record<RecordFacts['kind'], string>> = {
  state: 'the public state',
  private: 'the private state',
  board: 'a board',
  document: 'a document',
  card: 'the card',
}

function recordProblems({ kind, id, unwritten, unsent, error }: RecordFacts, name = RECORD_NAMES[kind]): Problem[] {
  if (unwritten === 0 && unsent === 0 && error === undefined) return []
  if (kind === 'card')
    return [
      {
        code: 'card-waiting',
        level: 'warn',
        what: 'the card is at no relay yet',
        ...(error === undefined ? {} : { reason: error }),
        do: 'it is kept here, and offered to each relay when the agent next connects (posthorn card publish)',
      },
    ]
  const waiting = [
    ...(unwritten > 0 ? [`${plural(unwritten, 'change')} not signed yet`] : []),
    ...(unsent > 0 ? [`${plural(unsent, 'signed change')} not with enough relays`] : []),
  ].join(', ')
  return [
    {
      code: kind === 'document' ? 'document-waiting' : 'state-waiting',
      level: 'warn',
      ...(id === undefined ? {} : { about: id }),
      what: `${name}: ${waiting || 'the last change could not be published'}`,
      ...(error === undefined ? {} : { reason: error }),
      do:
        kind === 'document'
          ? 'it is kept here and goes out when the document is next opened with a relay in reach (posthorn doc show)'
          : 'it is kept here and goes out with posthorn catchup, or the next agent that uses it',
    },
  ]
}
