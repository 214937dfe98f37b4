import { createWorkLoop } from '../../../platform/work-loop.ts'

/** Rows made searchable per transaction while nothing else is to be written: a commit that comes meanwhile waits this long. */
const IDLE_ROWS = 200
/** Behind by more than this, the index also advances between commits. */
const MAX_BEHIND = 20_000
const CATCH_UP_ROWS = 1_000
/** A search indexes what it would miss, up to so many rows; behind by more it is refused until the index has come nearer. */
const MAX_WAIT_ROWS = 50_000

/** The index of words is further behind the log than a search may wait for. */
export class SearchBehindError extends Error {
  override readonly name = 'SearchBehindError'
  readonly code = 'search-behind'
  constructor(behind: number) {
    super(`the search index is ${behind} events behind the log and is being built; try again later`)
  }
}

export interface SearchPaceOptions {
  readonly searchable: number
  /** The log's end. */
  last(): number
  /** Makes so many more rows searchable; resolves to the position reached. */
  advance(rows: number): Promise<number>
  /** Commits that are under way: the index waits for them. */
  busy(): boolean
}

/** When words are indexed: while nobody writes, or when somebody searches. Commits do not wait for it. */
export interface SearchPace {
  /** After each commit. */
  wake(): void
  /** Resolves when everything that the log holds now can be found. Rejects with {@link SearchBehindError}. */
  upToDate(): Promise<void>
  /** Resolves when it is at rest. */
  idle(): Promise<void>
  stop(): Promise<void>
}

export function createSearchPace({ searchable, last, advance, busy }: SearchPaceOptions): SearchPace {
  let reached = searchable
  let stopped = false
  /** False if nothing could be indexed: a disk that is nearly full is left to deletions. */
  const step = async (rows: number): Promise<boolean> => {
    const before = reached
    reached = await advance(rows)
    return reached > before
  }
  const loop = createWorkLoop(
    async () => {
      const behind = last() - reached
      if (stopped || behind <= 0) return false
      let advanced: boolean
      if (behind > MAX_BEHIND) advanced = await step(CATCH_UP_ROWS)
      else if (busy()) return false
      else advanced = await step(IDLE_ROWS)
      // The next commit wakes it again.
      return advanced && !busy()
    },
    // A full disk, for instance. The next commit tries again, and a search that needs it meets the error itself.
    () => {},
  )
  return {
    wake: () => loop.wake(),
    async upToDate() {
      const wanted = last()
      if (wanted - reached > MAX_WAIT_ROWS) {
        loop.wake()
        throw new SearchBehindError(wanted - reached)
      }
      while (reached < wanted) if (!(await step(CATCH_UP_ROWS))) throw new SearchBehindError(wanted - reached)
    },
    idle: () => loop.idle(),
    stop() {
      stopped = true
      return loop.idle()
    },
  }
}
