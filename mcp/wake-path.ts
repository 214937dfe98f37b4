import { type Random, randomHex, systemRandom } from '../platform/random.ts'
import { isCount, isRecord, own, parseJson } from '../protocol/json.ts'
import type { Shelf } from '../sdk/index.ts'

/**
 * Whether a coding agent that sits idle is really woken by mail. `none`: no host is set up to. `unverified`: one is, and nobody has
 * echoed a notice yet. `verified`: the model answered with the word that only the notice carried.
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
}

export interface WakePath {
  status(): WakeStatus
  /** This host is set up to be woken. */
  expect(host: string): void
  /** A notice is about to go to this host. Returns the word it carries. `arrival`: the newest message it speaks of. */
  notice(host: string, arrival: number, nowMs: number): string
  /** The newest message any notice has spoken of; 0 if none has. */
  noticed(): number
  /** The last notice went nowhere: what came after `arrival` is still to be told. */
  retract(arrival: number): void
  /** True if this is the word of the last notice: it has reached a model. */
  echo(word: string, nowMs: number): boolean
}

const SHELF = 'wake'
const WORD_CHARS = 8

interface Noted {
  readonly host?: string
  readonly word?: string
  readonly arrival?: number
  readonly noticedAt?: number
  readonly verifiedAt?: number
}

/** Kept in the home in a file of its own: the waking program and the MCP server are two processes. */
export function wakePathOn(shelf: Shelf, random: Random = systemRandom): WakePath {
  const read = (): Noted => {
    const json = parseJson(shelf.read(SHELF) ?? '')
    return json.ok && isRecord(json.value) ? notedOf(json.value) : {}
  }
  const write = (noted: Noted) => shelf.write(SHELF, `${JSON.stringify({ v: 1, ...noted })}\n`)

  return {
    status() {
      const { host, noticedAt, verifiedAt } = read()
      const state = verifiedAt !== undefined ? 'verified' : host !== undefined ? 'unverified' : 'none'
      return {
        state,
        ...(host === undefined ? {} : { host }),
        ...(noticedAt === undefined ? {} : { noticedAt }),
        ...(verifiedAt === undefined ? {} : { verifiedAt }),
      }
    },
    expect(host) {
      const { arrival, host: before } = read()
      // What another host was once seen to do says nothing of this one.
      if (host !== before) write({ host, ...(arrival === undefined ? {} : { arrival }) })
    },
    notice(host, arrival, nowMs) {
      const { verifiedAt, host: before } = read()
      const word = randomHex(random, WORD_CHARS)
      const verified = verifiedAt !== undefined && before === host ? { verifiedAt } : {}
      write({ host, word, arrival, noticedAt: nowMs, ...verified })
      return word
    },
    noticed: () => read().arrival ?? 0,
    retract(arrival) {
      const { word: _word, ...noted } = read()
      write({ ...noted, arrival })
    },
    echo(word, nowMs) {
      const noted = read()
      if (noted.word === undefined || noted.word !== word) return false
      write({ ...noted, verifiedAt: nowMs })
      return true
    },
  }
}

function notedOf(record: Record<string, unknown>): Noted {
  const text = (name: string) => {
    const value = own(record, name)
    return typeof value === 'string' && /^[a-z0-9-]{1,32}$/.test(value) ? { [name]: value } : {}
  }
  const count = (name: string) => {
    const value = own(record, name)
    return isCount(value) ? { [name]: value } : {}
  }
  return { ...text('host'), ...text('word'), ...count('arrival'), ...count('noticedAt'), ...count('verifiedAt') }
}
