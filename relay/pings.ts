import { type Cancel, every, type Timers } from '../platform/timers.ts'

/** Each peer is asked for a sign of life this often. */
export const PING_MS = 25_000
const SLICES = 25

/** Pings every peer once a round, a slice of them at a time: ten thousand at once would hold up everybody's frames. */
export function pingInTurns(timers: Timers, peers: Iterable<{ pingOrDrop(): void }>): Cancel {
  let tick = 0
  let round: { pingOrDrop(): void }[] = []
  return every(timers, PING_MS / SLICES, () => {
    tick += 1
    const slice = tick % SLICES
    if (slice === 0) round = [...peers]
    const size = Math.ceil(round.length / SLICES)
    for (const peer of round.slice(slice * size, (slice + 1) * size)) peer.pingOrDrop()
    if (slice === SLICES - 1) round = []
  })
}
