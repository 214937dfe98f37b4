import type { Clock } from '../../../platform/clock.ts'
import { type Asker, AskerLeftError, type PeerClass, type TurnCounts } from '../asker.ts'

/** What one turn of the reader gave, and what it cost. */
export interface Turn<T> {
  readonly value: T
  /** Milliseconds on the reader's own clock. */
  readonly ms: number
}

/** Milliseconds of reader time: what a key may take at once, and what comes back per second. */
export interface ReaderBudget {
  readonly burstMs: number
  readonly perSecondMs: number
}

export const READER_BUDGET: ReaderBudget = { burstMs: 2_000, perSecondMs: 100 }
/** An address may spend this many times the budget of one key, because keys are free. */
const KEYS_PER_ADDRESS = 4
/** Turns handed to the reader at once, so that it need not wait for the event loop between two short ones. */
const IN_FLIGHT = 2
/** Of an address whose last turn took longer, only one is handed over: it would make the next question wait. */
const SHORT_MS = 4
/** One of so many turns goes to those above their budget although others wait. */
const LATE_SHARE = 8
/** Accounts remembered; the one unused for longest goes first. */
const KEEP = 20_000
/** Virtual times remembered of addresses that wait for nothing. */
const KEEP_AHEAD = 2_000

interface Question {
  readonly asker: Asker | undefined
  readonly run: () => Promise<Turn<unknown>>
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/** A share of the reader: the whole, an address, a key, or a connection. Only connections have questions. */
class Share {
  readonly parts = new Map<unknown, Share>()
  readonly questions: Question[] = []
  /** Account that its turns are charged to. */
  readonly account: string | undefined
  /** Virtual time among its siblings: milliseconds served. */
  tag: number
  /** Virtual time of its parts: that of the part served last. */
  now = 0
  flying = 0

  constructor(tag: number, account?: string) {
    this.tag = tag
    this.account = account
  }

  get isIdle(): boolean {
    return this.parts.size === 0 && this.questions.length === 0 && this.flying === 0
  }

  get waits(): boolean {
    return this.questions.length > 0 || [...this.parts.values()].some(part => part.waits)
  }
}

interface Account {
  readonly left: number
  /** Monotonic ms. */
  readonly at: number
  /** What the last turn took. */
  readonly lastMs: number
}

const RELAY = { origin: '', owner: '', connection: {} } as const

/**
 * Shares the reader's time. Start-time fair queueing over measured milliseconds: first by address, within an address by key, within a key
 * by connection, there in order. Those that have used up their budget wait behind those that have not, but for every eighth turn.
 * A question whose asker has left is dropped when its turn comes.
 */
export class FairTurns {
  readonly #clock: Clock
  readonly #budget: ReaderBudget
  readonly #whole = new Share(0)
  /** Virtual times of addresses that wait for nothing, where they are ahead of the queue's. */
  readonly #ahead = new Map<string, number>()
  readonly #accounts = new Map<string, Account>()
  readonly #counts = new Map<PeerClass, TurnCounts>()
  #flying = 0
  #long = false
  #waiting = 0
  #turns = 0
  #atRest: (() => void)[] = []

  constructor(clock: Clock, budget: ReaderBudget = READER_BUDGET) {
    this.#clock = clock
    this.#budget = budget
  }

  get counts(): ReadonlyMap<PeerClass, TurnCounts> {
    return this.#counts
  }

  /** Resolves when every question has had its turns. */
  async idle(): Promise<void> {
    while (this.#waiting > 0 || this.#flying > 0) await new Promise<void>(resolve => this.#atRest.push(resolve))
  }

  /** Questions that wait for their turn. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * Runs when it is this asker's turn. Rejects with {@link AskerLeftError} if it has left by then.
   * Without an asker the relay itself asks: it has a share like an address, and no budget.
   */
  take<T>(asker: Asker | undefined, run: () => Promise<Turn<T>>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { origin, owner, connection } = asker ?? RELAY
      const counted = asker !== undefined && asker.peer !== 'local'
      const address =
        this.#whole.parts.get(origin) ??
        add(
          this.#whole,
          origin,
          Math.max(this.#whole.now, this.#ahead.get(origin) ?? 0),
          counted ? `@${origin}` : undefined,
        )
      this.#ahead.delete(origin)
      const key = address.parts.get(owner) ?? add(address, owner, address.now, counted ? owner : undefined)
      const line = key.parts.get(connection) ?? add(key, connection, key.now)
      line.questions.push({ asker, run, resolve, reject })
      this.#waiting += 1
      this.#dispatch()
    })
  }

  #dispatch(): void {
    while (this.#waiting > 0 && this.#flying < IN_FLIGHT && !this.#long) {
      const address = this.#pick(this.#whole, KEYS_PER_ADDRESS)
      if (address === undefined) return
      const long = this.#lastMs(address[1]) > SHORT_MS
      if (long && this.#flying > 0) return
      const key = this.#pick(address[1], 1)
      const line = key && this.#pick(key[1], 1)
      if (key === undefined || line === undefined) return
      this.#serve(
        [
          [this.#whole, ...address],
          [address[1], ...key],
          [key[1], ...line],
        ],
        long,
      )
    }
  }

  /** Of a share's parts that wait, the one whose turn it is. */
  #pick(share: Share, times: number): [name: unknown, part: Share] | undefined {
    let best: [unknown, Share] | undefined
    let late: [unknown, Share] | undefined
    for (const entry of share.parts) {
      const [, part] = entry
      if (!part.waits) continue
      if (this.#isLate(part, times)) {
        if (late === undefined || part.tag < late[1].tag) late = entry
      } else if (best === undefined || part.tag < best[1].tag) best = entry
    }
    return (late !== undefined && this.#turns % LATE_SHARE === 0 ? late : best) ?? late
  }

  #serve(path: readonly (readonly [share: Share, name: unknown, part: Share])[], long: boolean): void {
    const question = path.at(-1)?.[2].questions.shift()
    if (question === undefined) return
    this.#waiting -= 1
    const { asker } = question
    if (asker?.left() === true) {
      this.#countsOf(asker.peer).dropped += 1
      this.#drop(path)
      question.reject(new AskerLeftError())
      return
    }
    const late = path.some(([, , part], index) => this.#isLate(part, index === 0 ? KEYS_PER_ADDRESS : 1))
    // Charged at once with what the last turn cost, so that of two in flight the second is not taken for the first.
    const guesses = path.map(([, , part]) => this.#lastMs(part))
    for (const [index, [share, , part]] of path.entries()) {
      share.now = Math.max(share.now, part.tag)
      part.tag += guesses[index] ?? 0
      part.flying += 1
    }
    this.#turns += 1
    this.#flying += 1
    this.#long = long
    const settle = (ms: number) => {
      this.#flying -= 1
      this.#long = false
      for (const [index, [, , part]] of path.entries()) {
        part.tag += ms - (guesses[index] ?? 0)
        part.flying -= 1
        if (part.account !== undefined) this.#spend(part.account, index === 0 ? KEYS_PER_ADDRESS : 1, ms)
      }
      const counts = this.#countsOf(asker?.peer ?? 'relay')
      counts.turns += 1
      counts.ms += ms
      if (late) counts.late += 1
      if (asker !== undefined) asker.readerMs += ms
      this.#drop(path)
    }
    const start = this.#clock.monotonic()
    question.run().then(
      ({ value, ms }) => {
        settle(ms)
        question.resolve(value as never)
        this.#dispatch()
      },
      error => {
        settle(this.#clock.monotonic() - start)
        question.reject(error)
        this.#dispatch()
      },
    )
  }

  /** Forgets shares that wait for nothing. Of an address, its virtual time is kept while it is ahead of the queue's. */
  #drop(path: readonly (readonly [share: Share, name: unknown, part: Share])[]): void {
    for (const [share, name, part] of [...path].reverse()) {
      if (!part.isIdle) return
      share.parts.delete(name)
      if (share === this.#whole && part.tag > share.now) this.#ahead.set(String(name), part.tag)
    }
    if (this.#whole.isIdle) {
      this.#ahead.clear()
      for (const tell of this.#atRest.splice(0)) tell()
    }
    trim(this.#ahead, KEEP_AHEAD)
  }

  #isLate({ account }: Share, times: number): boolean {
    return account !== undefined && this.#left(account, times) <= 0
  }

  #lastMs({ account }: Share): number {
    return account === undefined ? 0 : (this.#accounts.get(account)?.lastMs ?? 0)
  }

  #left(name: string, times: number): number {
    const { burstMs, perSecondMs } = this.#budget
    const account = this.#accounts.get(name)
    if (account === undefined) return burstMs * times
    const since = this.#clock.monotonic() - account.at
    return Math.min(burstMs * times, account.left + (since * perSecondMs * times) / 1_000)
  }

  /** Debt is bounded by one burst, so that a budget comes back within burst / rate seconds. */
  #spend(name: string, times: number, ms: number): void {
    const left = Math.max(-this.#budget.burstMs * times, this.#left(name, times) - ms)
    this.#accounts.delete(name)
    this.#accounts.set(name, { left, at: this.#clock.monotonic(), lastMs: ms })
    trim(this.#accounts, KEEP)
  }

  #countsOf(peer: PeerClass): TurnCounts {
    const known = this.#counts.get(peer)
    if (known !== undefined) return known
    const counts = { turns: 0, ms: 0, dropped: 0, late: 0 }
    this.#counts.set(peer, counts)
    return counts
  }
}

function add(share: Share, name: unknown, tag: number, account?: string): Share {
  const part = new Share(tag, account)
  share.parts.set(name, part)
  return part
}

function trim(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
