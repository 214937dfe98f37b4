import { type Clock, seconds } from '../../platform/clock.ts'
import { every, sleep, type Timers } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import { HEARTBEAT, PRESENCE } from '../../protocol/kinds.ts'
import { isMisdated, isOutdated } from '../../protocol/reasons.ts'
import type { Signer } from '../identity/signer.ts'
import type { Line } from '../link/line.ts'
import type { Lines } from '../link/lines.ts'
import { answerOf, type RelayAnswer } from '../link/relay-answer.ts'
import { dateOf, horizonOf, removalOf } from '../misdated.ts'
import { encodeStatus, type PresenceStatus, type SaidState } from './status.ts'

export const HEARTBEAT_MS = 30_000
/** Changes of the status within this time are told as one. */
const COALESCE_MS = 1_000
/** For what the relay has of this session from an earlier life. */
const READ_BACK_MS = 2_000
const GOODBYE_MS = 1_000

export interface OwnPresenceOptions {
  readonly lines: Lines
  readonly signer: Signer
  readonly clock: Clock
  readonly timers: Timers
  /** `d` of this session. */
  readonly session: string
}

/** This agent's own presence at all its relays: will, status, heartbeat. */
export interface OwnPresence {
  readonly session: string
  /** Fields given replace those said before; undefined ones are taken back. Resolves with the answers of the connected relays. */
  set(change: PresenceStatus): Promise<readonly RelayAnswer[]>
  /** Says goodbye: asleep if it was said when it wakes, offline otherwise. Resolves with the answers that came within a second. */
  close(): Promise<readonly RelayAnswer[]>
}

export function createOwnPresence(options: OwnPresenceOptions): OwnPresence {
  const { lines, signer, clock, timers, session } = options
  let status: PresenceStatus = {}
  /** Highest created_at that any event at this address has, ours and those of earlier lives. */
  let newest = 0
  let spokenAt = Number.NEGATIVE_INFINITY
  /** A relay did not take the status for its date. */
  let isUnsaid = false
  let planned: Promise<readonly RelayAnswer[]> | undefined
  let closing: Promise<readonly RelayAnswer[]> | undefined
  const ending = new AbortController()
  /** Relays that do not know wills are not asked again: each question would cost its whole patience. */
  const willless = new Set<Line>()

  /** The will first, dated one above the status to come, and its OK: a status is never told without the last word behind it. */
  async function speak(to: readonly Line[], said: SaidState): Promise<readonly RelayAnswer[]> {
    if (to.length === 0) return []
    const at = Math.max(seconds(clock), dateOf(newest, clock) + 1)
    newest = at + 1
    spokenAt = clock.monotonic()
    isUnsaid = false
    const event = await signer.sign({ kind: PRESENCE, created_at: at, ...encodeStatus(session, said, status) })
    return Promise.all(
      to.map(async line => {
        if (said === 'online') await leaveWill(line, at + 1)
        const outcome = await line.publish(event)
        const { accepted, message } = outcome
        if (accepted === false && isMisdated(message)) isUnsaid = true
        const louder =
          accepted === false && isOutdated(message) && !ending.signal.aborted
            ? await speakLouder(line, said)
            : undefined
        return louder ?? answerOf(line.url, outcome)
      }),
    )
  }

  async function leaveWill(line: Line, created_at: number): Promise<void> {
    if (willless.has(line)) return
    const { content, tags } = encodeStatus(session, 'lost', status)
    const will = await signer.sign({ kind: PRESENCE, created_at, content, tags: [...tags, ['relay', line.url]] })
    const { accepted } = await line.leaveWill(will)
    if (accepted === undefined && line.isOpen) willless.add(line)
  }

  /** Somebody with this key and session has spoken since, or a will has. */
  async function speakLouder(line: Line, said: SaidState): Promise<RelayAnswer | undefined> {
    const before = newest
    const found = await readBack(line)
    // By a clock that was ahead: it would stay the last word until then.
    const isMisdated = found !== undefined && found.created_at > horizonOf(clock)
    if (isMisdated) await line.publish(await signer.sign(removalOf([found], clock)))
    return isMisdated || newest > before ? (await speak([line], said))[0] : undefined
  }

  function readBack(line: Line): Promise<NostrEvent | undefined> {
    return new Promise(resolve => {
      let found: NostrEvent | undefined
      const done = () => {
        cancel()
        stop()
        resolve(found)
      }
      const cancel = timers.after(READ_BACK_MS, done)
      const filter = { kinds: [PRESENCE], authors: [signer.pubkey], '#d': [session], limit: 1 }
      const stop = line.watch([filter], {
        onEvent: (event: NostrEvent) => {
          found = event
          newest = Math.max(dateOf(newest, clock), event.created_at)
        },
        onLive: done,
        onEnd: done,
      })
    })
  }

  async function arrive(line: Line): Promise<void> {
    await readBack(line)
    if (!closing) await speak([line], 'online')
  }

  async function beat(): Promise<void> {
    const open = lines.all.filter(line => line.isOpen)
    if (open.length === 0 || closing) return
    // The clock may be right by now.
    if (isUnsaid) await speak(open, 'online')
    const event = await signer.sign({
      kind: HEARTBEAT,
      created_at: Math.max(seconds(clock), dateOf(newest, clock)),
      tags: [['d', session]],
      content: '',
    })
    await Promise.all(open.map(line => line.publish(event)))
  }

  // A signer that is away, or says no, costs presence and nothing else; the next beat or connection tries again.
  const quietly = (task: Promise<void>) => void task.catch(() => {})
  const unfollow = lines.each(line => line.follow({ onOpen: () => quietly(arrive(line)) }))
  const cancelBeat = every(timers, HEARTBEAT_MS, () => quietly(beat()))

  async function speakSoon(): Promise<readonly RelayAnswer[]> {
    const wait = spokenAt + COALESCE_MS - clock.monotonic()
    // Never in the same turn: `planned` is not set yet, and would stay set for good.
    await (wait > 0 ? sleep(timers, wait, ending.signal) : undefined)
    planned = undefined
    if (closing) return []
    return speak(
      lines.all.filter(line => line.isOpen),
      'online',
    )
  }

  async function goodbye(): Promise<readonly RelayAnswer[]> {
    const said = speak(
      lines.all.filter(line => line.isOpen),
      status.wakesAt === undefined ? 'offline' : 'asleep',
    ).catch(() => [])
    const patience = new AbortController()
    const late = sleep(timers, GOODBYE_MS, patience.signal).then(() => [])
    const answers = await Promise.race([said, late])
    patience.abort()
    return answers
  }

  return {
    session,
    set(change) {
      const next = Object.fromEntries(
        Object.entries({ ...status, ...change }).filter(([, value]) => value !== undefined),
      )
      encodeStatus(session, 'online', next)
      status = next
      planned ??= speakSoon()
      return planned
    },
    close() {
      closing ??= (async () => {
        cancelBeat()
        ending.abort()
        unfollow()
        return goodbye()
      })()
      return closing
    },
  }
}
