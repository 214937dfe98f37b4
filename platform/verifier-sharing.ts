import type { NostrEvent } from '../protocol/event.ts'
import type { Verifier } from './verifier.ts'
import { VERIFIER_TIERS } from './verifier-tier.ts'

/** Signatures that are given away together: about ten milliseconds of WebAssembly. */
const PIECE = 32
/** Pieces that the thread has at once, so that it goes on while the caller records what it has checked. */
const AHEAD = 8

export interface SharingOptions {
  /** On the calling thread. */
  readonly near: Verifier
  /** On another one. It is waited for while it starts: it may be so much faster that helping would be wasted. */
  far(): Verifier | 'starting' | undefined
  /** Resolves in a later turn of the event loop: whatever else waits comes first. */
  readonly breathe: () => Promise<void>
}

/** Checks what is asked of it on the thread and, in turns that are free, where the caller is. */
export interface Sharing {
  verify(events: readonly NostrEvent[]): Promise<readonly boolean[]>
  /** The thread is there, or will not be. */
  changed(): void
}

interface Piece {
  readonly events: readonly NostrEvent[]
  settle(verdicts: Promise<readonly boolean[]>): void
}

/**
 * A thread that checks signatures is slower than what is done with their events, so the calling thread would wait for it nearly half
 * its time. It checks then, too, from the end of the queue, unless the thread is of a faster tier.
 */
export function createSharing({ near, far, breathe }: SharingOptions): Sharing {
  const queue: Piece[] = []
  let given = 0
  let helping = false

  const speed = ({ tier }: Verifier) => (VERIFIER_TIERS as readonly string[]).indexOf(tier)
  /** Then it gets everything at once: it is never what is waited for. */
  const isFaster = (verifier: Verifier) => speed(verifier) < speed(near)
  const mayHelp = () => {
    const verifier = far()
    return verifier !== 'starting' && (verifier === undefined || !isFaster(verifier))
  }

  function give(verifier: Verifier, { events, settle }: Piece): void {
    given += 1
    // A thread that died knows nothing about these events.
    const verdicts = verifier.verify(events).catch(() => near.verify(events))
    settle(verdicts)
    const done = () => {
      given -= 1
      spread()
    }
    verdicts.then(done, done)
  }

  function spread(): void {
    const verifier = far()
    if (verifier === 'starting') return
    if (verifier) {
      const most = isFaster(verifier) ? Number.POSITIVE_INFINITY : AHEAD
      for (let piece = queue[0]; piece && given < most; piece = queue[0]) {
        queue.shift()
        give(verifier, piece)
      }
    }
    if (queue.length > 0) void help()
  }

  async function help(): Promise<void> {
    if (helping) return
    helping = true
    while (queue.length > 0 && mayHelp()) {
      await breathe()
      const piece = mayHelp() ? queue.pop() : undefined
      if (!piece) break
      const verdicts = near.verify(piece.events)
      piece.settle(verdicts)
      await verdicts.catch(() => {})
    }
    helping = false
  }

  return {
    async verify(events) {
      const pieces: Promise<readonly boolean[]>[] = []
      for (let start = 0; start < events.length; start += PIECE)
        pieces.push(new Promise(settle => queue.push({ events: events.slice(start, start + PIECE), settle })))
      spread()
      return (await Promise.all(pieces)).flat()
    },
    changed: spread,
  }
}
