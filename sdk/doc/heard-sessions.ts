/** Sessions of one member whose cursor is followed: open pages and devices. */
export const SESSIONS_PER_MEMBER = 8

/**
 * A session that was not heard for this long is forgotten, ms. Events dated more than 90 s from now are ignored, so an event of a
 * forgotten session cannot be replayed: it is at least 180 s old.
 */
export const SESSION_KEPT_MS = 180_000

interface Heard {
  readonly client: number
  readonly n: number
  readonly at: number
  /** It has said goodbye. */
  readonly gone: boolean
}

/** What a member's session has said is new. `dropped`: client ids of the member's sessions that are no longer followed. */
export interface News {
  /** It was not there before, or had said goodbye: it may not know of others. */
  readonly joins: boolean
  readonly dropped: readonly number[]
}

/** The highest counter heard of each session, with a fixed share for each member: one member cannot displace another. */
export interface HeardSessions {
  /** Records counter `n` of a session at `now` (monotonic ms); `gone`: it says goodbye. Undefined: this counter, or a higher one, was heard before. */
  hear(member: string, client: number, n: number, now: number, gone: boolean): News | undefined
  clients(): number[]
}

export function createHeardSessions(): HeardSessions {
  const members = new Map<string, Heard[]>()
  return {
    hear(member, client, n, now, gone) {
      const sessions = members.get(member) ?? []
      const before = sessions.find(each => each.client === client)
      if (before && n <= before.n) return undefined
      const others = sessions
        .filter(each => each !== before && now - each.at < SESSION_KEPT_MS)
        .sort((a, b) => b.at - a.at)
      const followed = [{ client, n, at: now, gone }, ...others].slice(0, SESSIONS_PER_MEMBER)
      members.set(member, followed)
      const dropped = sessions.filter(each => each !== before && !followed.includes(each)).map(each => each.client)
      return { joins: !gone && before?.gone !== false, dropped }
    },
    clients: () => [...members.values()].flatMap(sessions => sessions.map(({ client }) => client)),
  }
}
