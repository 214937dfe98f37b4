import type { Cancel } from '../../platform/timers.ts'
import type { Host } from '../api.ts'
import type { Authenticate } from '../link/authenticator.ts'
import { createLine, type Line } from '../link/line.ts'
import { createLines, type Lines } from '../link/lines.ts'
import { createLink } from '../link/link.ts'

/** Foreign relays that are read at once, and of one key at most. The first relay of a key has room beyond that: silent relays of others do not keep it out. */
const MAX_OPEN = 16
const MAX_FIRST = 64
const MAX_OF_ONE = 4
/** Keys that are looked for at the same time: each takes a subscription at every own relay. */
const MAX_LOOKING = 2

export interface VisitsOptions
  extends Pick<Host, 'clock' | 'timers' | 'random' | 'verifier' | 'dial' | 'onHostChange'> {
  readonly own: Lines
  /** Whether this address may be on this machine or in a private network. */
  allowsPrivate(url: string): boolean
  /** Told to a foreign relay only if it answers nobody else. */
  readonly authenticate?: Authenticate | undefined
  /** Where a key publishes, none if that is not known; may be dialled. Never rejects. */
  writesOf(pubkey: string): Promise<readonly string[]>
}

/** Where a key publishes. */
export interface Home {
  /** Once that is known, and lines to there have joined. Never rejects. */
  readonly known: Promise<unknown>
  /** It is known where that key publishes. */
  readonly isFound: boolean
  /** What is read there is all there is of that key, as far as is known. False for every line until `known`. */
  has(line: Line): boolean
}

/** Lines to wherever one key publishes, and to the agent's own relays, which may have a copy. */
export interface Visit {
  readonly lines: Lines
  readonly home: Home
  leave(): void
}

/** Reads at relays that are not the agent's own, for as long as somebody wants to: one connection each, shared by all who do. */
export interface Visits {
  to(pubkey: string): Visit
  close(): Promise<void>
}

interface Lent {
  readonly line: Line
  readonly close: () => Promise<void>
  users: number
}

export function createVisits(options: VisitsOptions): Visits {
  const { own, allowsPrivate, dial } = options
  const open = new Map<string, Lent>()
  let looking = 0
  const waiting: (() => void)[] = []
  let closed = false

  async function find(pubkey: string): Promise<readonly string[]> {
    if (looking >= MAX_LOOKING) await new Promise<void>(resolve => waiting.push(resolve))
    else looking += 1
    const found = await options.writesOf(pubkey)
    // The place is handed on.
    const next = waiting.shift()
    if (next) next()
    else looking -= 1
    return found
  }

  function connect(url: string): Lent {
    const link = createLink({
      ...options,
      // A stranger chose this address.
      dial: (address, events, how) => dial(address, events, { ...how, publicOnly: !allowsPrivate(url) }),
      url,
      reconnect: true,
      onOpen: () => line.opened(),
      onPause: () => line.lost('error: the relay is about to know us by a key'),
      onDown: why => line.lost(`error: ${why}`),
    })
    const line = createLine(link, options)
    const lent: Lent = {
      line,
      users: 0,
      close() {
        open.delete(url)
        line.lost('error: closed')
        return link.close()
      },
    }
    open.set(url, lent)
    return lent
  }

  return {
    to(pubkey) {
      const lines = createLines([])
      const stop = own.each((line): Cancel => {
        lines.join(line)
        return () => {}
      })
      const borrowed: Lent[] = []
      let urls: readonly string[] | undefined
      let left = false
      const known = find(pubkey).then(found => {
        if (left || closed) return
        urls = found
        const foreign = urls.filter(url => !own.all.some(line => line.url === url)).slice(0, MAX_OF_ONE)
        for (const url of foreign) {
          const lent =
            open.get(url) ?? (open.size < (borrowed.length === 0 ? MAX_FIRST : MAX_OPEN) ? connect(url) : undefined)
          if (!lent) continue
          lent.users += 1
          borrowed.push(lent)
          lines.join(lent.line)
        }
      })
      return {
        lines,
        home: {
          known,
          get isFound() {
            return urls !== undefined && urls.length > 0
          },
          has: ({ url }) => urls !== undefined && (urls.length === 0 || urls.includes(url)),
        },
        leave() {
          if (left) return
          left = true
          stop()
          for (const lent of borrowed) {
            lent.users -= 1
            if (lent.users === 0) void lent.close()
          }
        },
      }
    },
    async close() {
      closed = true
      await Promise.all([...open.values()].map(lent => lent.close()))
    },
  }
}
