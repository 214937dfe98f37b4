import { type Random, randomHex, systemRandom } from '../platform/random.ts'
import { isCount, isRecord, own, parseJson } from '../protocol/json.ts'
import type { Shelf } from '../sdk/index.ts'

/**
 * Whether a coding agent that sits idle is really woken by mail. `none`: no host is set up to. `unverified`: one is, and no
 * notice was echoed yet. `verified`: the model answered with the word that only the notice carried.
 */
export type WakeState = 'none' | 'unverified' | 'verified'

export interface WakeStatus {
  readonly state: WakeState
  /** The host that notices go to, as `--host` names it. */
  readonly host?: string
  /** When it was last seen to work, ms since 1970. */
  readonly verifiedAt?: number
  /** When the last notice went out, ms since 1970. */
  readonly noticedAt?: number
  /** True if the last notice was not echoed. */
  readonly unheard?: boolean
}

/** The last notice that one session was handed. */
export interface Notice {
  readonly session: string
  /** The newest message it speaks of. */
  readonly arrival: number
  /** How often this session was handed a notice about that message. */
  readonly times: number
  /** When, in ms since 1970. */
  readonly at: number
  /** Process id of the host that runs the session, if it is known. */
  readonly pid?: number
}

export interface WakePath {
  status(): WakeStatus
  /** This host is set up to be woken. */
  expect(host: string): void
  /**
   * A notice is about to go to a session of this host. Returns the word it carries. It counts as delivered once that word came
   * back, or once the message was listed to a model.
   *
   * @param arrival the newest message it speaks of
   */
  notice(host: string, arrival: number, nowMs: number, session?: string, pid?: number): string
  /** The last notice of each session, for sessions that did not echo it. */
  notices(): readonly Notice[]
  /** The newest message that a model is known to have heard of; 0 if there is none. */
  heard(): number
  /** A notice did not reach its session: it does not count. */
  retract(word: string): void
  /** True if this is the word of a notice: it has reached a model. */
  echo(word: string, nowMs: number): boolean
  /** A model was shown all messages up to this one. */
  listed(arrival: number): void
}

const SHELF = 'wake'
const WORD_CHARS = 8
/** Sessions whose last notice is kept; the oldest go first. */
const MAX_NOTICES = 32

interface Kept extends Notice {
  readonly word: string
  /** The notice before, whose word a slow model may still echo. */
  readonly former?: { readonly word: string; readonly arrival: number }
}

interface Noted {
  readonly host?: string
  readonly heard?: number
  readonly noticedAt?: number
  readonly verifiedAt?: number
  readonly notices: readonly Kept[]
}

/**
 * Kept in the home in a file of its own: waiting programs and MCP servers are several processes. Two that write in the same moment
 * can lose one of both records; then a notice goes out once more.
 */
export function wakePathOn(shelf: Shelf, random: Random = systemRandom): WakePath {
  const read = (): Noted => {
    const json = parseJson(shelf.read(SHELF) ?? '')
    return json.ok && isRecord(json.value) ? notedOf(json.value) : { notices: [] }
  }
  const write = (noted: Noted) => shelf.write(SHELF, `${JSON.stringify({ v: 1, ...noted })}\n`)
  const hear = (noted: Noted, arrival: number): Noted => ({
    ...noted,
    heard: Math.max(noted.heard ?? 0, arrival),
    notices: noted.notices.filter(notice => notice.arrival > arrival),
  })

  return {
    status() {
      const { host, noticedAt, verifiedAt, notices } = read()
      const state = verifiedAt !== undefined ? 'verified' : host !== undefined ? 'unverified' : 'none'
      return {
        state,
        ...(host === undefined ? {} : { host }),
        ...(noticedAt === undefined ? {} : { noticedAt }),
        ...(verifiedAt === undefined ? {} : { verifiedAt }),
        ...(notices.some(({ at }) => at === noticedAt) ? { unheard: true } : {}),
      }
    },
    expect(host) {
      const { host: before, heard, notices } = read()
      // What another host was once seen to do says nothing of this one.
      if (host !== before) write({ host, notices, ...(heard === undefined ? {} : { heard }) })
    },
    notice(host, arrival, nowMs, session = '', pid) {
      const { verifiedAt, host: before, heard, notices } = read()
      const word = randomHex(random, WORD_CHARS)
      const former = notices.find(notice => notice.session === session)
      const kept: Kept = {
        session,
        arrival,
        times: former?.arrival === arrival ? former.times + 1 : 1,
        at: nowMs,
        word,
        ...(pid === undefined ? {} : { pid }),
        ...(former === undefined ? {} : { former: { word: former.word, arrival: former.arrival } }),
      }
      write({
        host,
        notices: [...notices.filter(notice => notice !== former), kept].slice(-MAX_NOTICES),
        noticedAt: nowMs,
        ...(heard === undefined ? {} : { heard }),
        ...(verifiedAt !== undefined && before === host ? { verifiedAt } : {}),
      })
      return word
    },
    notices: () => read().notices,
    heard: () => read().heard ?? 0,
    retract(word) {
      const noted = read()
      write({ ...noted, notices: noted.notices.filter(notice => notice.word !== word) })
    },
    echo(word, nowMs) {
      const noted = read()
      const said = noted.notices.flatMap(notice => [notice, ...(notice.former ? [notice.former] : [])])
      const echoed = said.find(each => each.word === word)
      if (echoed === undefined) return false
      write({ ...hear(noted, echoed.arrival), verifiedAt: nowMs })
      return true
    },
    listed(arrival) {
      const noted = read()
      if (arrival > (noted.heard ?? 0)) write(hear(noted, arrival))
    },
  }
}

const SESSION = /^[\w:-]{0,80}$/
const WORD = /^[a-z0-9-]{1,32}$/

function notedOf(record: Record<string, unknown>): Noted {
  const host = own(record, 'host')
  const notices = own(record, 'notices')
  return {
    ...(typeof host === 'string' && WORD.test(host) ? { host } : {}),
    ...countOf(record, 'heard'),
    ...countOf(record, 'noticedAt'),
    ...countOf(record, 'verifiedAt'),
    notices: Array.isArray(notices) ? notices.flatMap(keptOf).slice(-MAX_NOTICES) : [],
  }
}

function keptOf(value: unknown): Kept[] {
  if (!isRecord(value)) return []
  const [session, word, former] = [own(value, 'session'), own(value, 'word'), own(value, 'former')]
  const [arrival, times, at] = [own(value, 'arrival'), own(value, 'times'), own(value, 'at')]
  if (typeof session !== 'string' || !SESSION.test(session) || typeof word !== 'string' || !WORD.test(word)) return []
  if (!isCount(arrival) || !isCount(times) || !isCount(at)) return []
  return [
    {
      session,
      word,
      arrival,
      times,
      at,
      ...countOf(value, 'pid'),
      ...formerOf(former),
    },
  ]
}

function formerOf(value: unknown): Pick<Kept, 'former'> {
  if (!isRecord(value)) return {}
  const [word, arrival] = [own(value, 'word'), own(value, 'arrival')]
  return typeof word === 'string' && WORD.test(word) && isCount(arrival) ? { former: { word, arrival } } : {}
}

function countOf<K extends string>(record: Record<string, unknown>, name: K): { readonly [N in K]?: number } {
  const value = own(record, name)
  return isCount(value) ? ({ [name]: value } as { readonly [N in K]?: number }) : {}
}
