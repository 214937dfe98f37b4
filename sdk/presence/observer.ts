import type { Clock } from '../../platform/clock.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { type NostrEvent, tagValue } from '../../protocol/event.ts'
import { HEARTBEAT, PRESENCE } from '../../protocol/kinds.ts'
import type { Line } from '../link/line.ts'
import type { Lines } from '../link/lines.ts'
import { MAX_SESSION_CHARS, type PresenceStatus, readStatus, type SaidPresence } from './status.ts'

const SUSPECT_MS = 45_000
const OFFLINE_MS = 90_000
/** Sessions watched of one key, and of all: whoever announces more shows its newest. */
const MAX_SESSIONS_EACH = 16
const MAX_SESSIONS = 5_000
/** Seconds; also room for clocks that differ. */
const MAX_BEAT_AGE = 900

/**
 * `suspect`: silent for 45 s. `offline`: said so, lost, or silent for 90 s. `unknown`: no relay is there to tell. Silence is
 * counted from when this observer was connected, by its own clock.
 */
export type PresenceState = 'online' | 'suspect' | 'asleep' | 'offline' | 'unknown'

export interface SessionPresence extends PresenceStatus {
  readonly session: string
  readonly state: PresenceState
  /** When its status was said, seconds since 1970 by its own clock; absent if only a heartbeat was heard. */
  readonly at?: number
  /** A sign of life came while this observer was listening; until then `online` is only what was said before. */
  readonly heard: boolean
}

/** One key's presence: that of its liveliest session, and all of them. */
export interface Presence extends SessionPresence {
  /** 64 hex. */
  readonly pubkey: string
  readonly sessions: readonly SessionPresence[]
}

export interface ObserverOptions {
  readonly lines: Lines
  readonly clock: Clock
  readonly timers: Timers
}

export interface Observation {
  get(pubkey: string): Presence | undefined
  /** Every relay that is connected has told what it had. */
  readonly isTold: boolean
  stop(): void
}

interface Tracked {
  readonly pubkey: string
  readonly session: string
  said?: SaidPresence
  /** Observer's monotonic time when that came. */
  saidAt: number
  /** created_at of the newest heartbeat. */
  beatAt: number
  /** Observer's monotonic time of the last sign of life. */
  heardAt: number
  told: string
}

/** Watches keys (all if undefined) and calls `onChange` with what became different. */
export function observe(
  { lines, clock, timers }: ObserverOptions,
  pubkeys: readonly string[] | undefined,
  onChange: (presence: Presence) => void,
  onTold: () => void = () => {},
): Observation {
  const sessions = new Map<string, Tracked>()
  const live = new Set<Line>()
  let liveSince = 0
  let cancelNext: Cancel = () => {}
  let stopped = false
  /** Before that, states are half a story. */
  let begun = false
  const authors = pubkeys === undefined ? {} : { authors: pubkeys }

  const stopAll = lines.each(line =>
    line.watch(
      [
        { kinds: [PRESENCE], ...authors },
        { kinds: [HEARTBEAT], ...authors, limit: 0 },
      ],
      {
        onEvent: event => take(event, live.has(line)),
        onLive() {
          if (live.size === 0) liveSince = clock.monotonic()
          live.add(line)
          begun = true
          update()
          onTold()
        },
        onEnd() {
          live.delete(line)
          update()
          onTold()
        },
      },
    ),
  )

  function take(event: NostrEvent, isLive: boolean): void {
    const session = tagValue(event, 'd') ?? ''
    if (session.length > MAX_SESSION_CHARS) return
    if (event.kind === HEARTBEAT) {
      // Each counts once, and an old one not at all, nor for a session that nobody knows: replayed, they would keep the dead alive.
      if (event.created_at < clock.now() / 1000 - MAX_BEAT_AGE) return
      const tracked = track(event.pubkey, session)
      if (!tracked || event.created_at <= tracked.beatAt) return
      // A clock that was ahead and is right again is not silence.
      tracked.beatAt = Math.min(event.created_at, clock.now() / 1000)
      tracked.heardAt = clock.monotonic()
    } else {
      const said = readStatus(event)
      if (!said) return
      const tracked = track(event.pubkey, session)
      const before = tracked?.said
      if (!tracked || (before && (before.at > said.at || (before.at === said.at && before.id <= said.id)))) return
      tracked.said = said
      tracked.saidAt = clock.monotonic()
      if (isLive && said.said === 'online') tracked.heardAt = clock.monotonic()
    }
    update()
  }

  function track(pubkey: string, session: string): Tracked | undefined {
    const key = `${pubkey}:${session}`
    const known = sessions.get(key)
    if (known) return known
    const own = [...sessions.values()].filter(each => each.pubkey === pubkey)
    if (own.length >= MAX_SESSIONS_EACH) {
      const [oldest] = own.sort((a, b) => lastOf(a) - lastOf(b))
      if (oldest) sessions.delete(`${pubkey}:${oldest.session}`)
    } else if (sessions.size >= MAX_SESSIONS) return undefined
    const fresh = { pubkey, session, saidAt: 0, beatAt: -1, heardAt: Number.NEGATIVE_INFINITY, told: '' }
    sessions.set(key, fresh)
    return fresh
  }

  const lastOf = ({ said, beatAt }: Tracked) => Math.max(said?.at ?? 0, beatAt)
  const silence = ({ heardAt }: Tracked) => clock.monotonic() - Math.max(heardAt, liveSince)

  function stateOf(tracked: Tracked): PresenceState {
    const { said } = tracked
    if (said && said.said !== 'online' && !isBack(tracked, said)) return said.said === 'asleep' ? 'asleep' : 'offline'
    if (live.size === 0) return 'unknown'
    const ms = silence(tracked)
    return ms < SUSPECT_MS ? 'online' : ms < OFFLINE_MS ? 'suspect' : 'offline'
  }

  /**
   * A sign of life after the last word. A will was dated when it was left, so what is later is told by its arrival; who said goodbye
   * itself is back when it dates a heartbeat after that, not when one straggles in.
   */
  const isBack = ({ heardAt, saidAt, beatAt }: Tracked, said: SaidPresence) =>
    heardAt > saidAt && (said.said === 'lost' || beatAt > said.at)

  function viewOf(tracked: Tracked): SessionPresence {
    const { pubkey: _pubkey, id: _id, said: _said, ...status } = tracked.said ?? { session: tracked.session }
    return Object.freeze({
      ...status,
      session: tracked.session,
      state: stateOf(tracked),
      heard: tracked.heardAt > Number.NEGATIVE_INFINITY,
    })
  }

  function presenceOf(pubkey: string): Presence | undefined {
    const views = [...sessions.values()].filter(each => each.pubkey === pubkey).map(viewOf)
    const [first] = views.sort(
      (a, b) => LIVELIEST.indexOf(a.state) - LIVELIEST.indexOf(b.state) || (b.at ?? 0) - (a.at ?? 0),
    )
    return first && Object.freeze({ ...first, pubkey, sessions: Object.freeze(views) })
  }

  /** Tells what changed, and plans the next look for when silence next means something else. */
  function update(): void {
    cancelNext()
    if (stopped || !begun) return
    let next = Number.POSITIVE_INFINITY
    const changed = new Set<string>()
    for (const tracked of sessions.values()) {
      const text = JSON.stringify(viewOf(tracked))
      if (text !== tracked.told) changed.add(tracked.pubkey)
      tracked.told = text
      const ms = silence(tracked)
      const isSilent = live.size > 0 && ms < OFFLINE_MS
      if (isSilent) next = Math.min(next, (ms < SUSPECT_MS ? SUSPECT_MS : OFFLINE_MS) - ms)
    }
    if (next < Number.POSITIVE_INFINITY)
      cancelNext = timers.after(Math.max(1, Math.ceil(next)), update, { background: true })
    for (const pubkey of changed) {
      const presence = presenceOf(pubkey)
      if (presence) onChange(presence)
    }
  }

  return {
    get: presenceOf,
    get isTold() {
      return lines.all.every(line => live.has(line) || !line.isOpen)
    },
    stop() {
      stopped = true
      cancelNext()
      stopAll()
    },
  }
}

const LIVELIEST: readonly PresenceState[] = ['online', 'suspect', 'asleep', 'unknown', 'offline']
