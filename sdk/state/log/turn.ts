import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '../../../protocol/hex.ts'

/** Between two authors' turns: a snapshot is out, and known to the others, within it, */
const STEP_MS = 3_000
/** and all have had theirs after so long. */
const ROUND_MS = 30_000

/**
 * How long an author waits (ms) before it folds what all have written, when all of them find at once that it is time: in an order
 * that each of them knows, so that mostly one does it, and what it has covered is no reason for the next.
 */
export function turnOf(author: string, authors: ReadonlySet<string>, o: string): number {
  const rank = (key: string) => bytesToHex(sha256(new TextEncoder().encode(JSON.stringify([o, key]))))
  const own = rank(author)
  let before = 0
  for (const other of authors) if (rank(other) < own) before += 1
  return before * Math.min(STEP_MS, ROUND_MS / Math.max(1, authors.size - 1))
}
