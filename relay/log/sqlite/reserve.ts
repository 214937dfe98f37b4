import { closeSync, existsSync, fsyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { systemRandom } from '../../../platform/random.ts'

/** Bytes held back: a start, an epoch, some hundred deletions or a batch of pruning fit into it. */
export const RESERVE_BYTES = 524_288
/** With less than this left, or than a share of a small disk, only what makes room is stored. */
const LEAST_FREE_BYTES = 4_194_304
const LEAST_SHARE = 1 / 16

/** Random bytes come in such pieces at most. */
const CHUNK = 65_536

export const RESERVE_FILE = 'reserve'

/**
 * Room on the disk that is kept for what makes room. A full disk otherwise keeps the relay from starting, and its authors from deleting.
 * A file of random bytes: one of zeros takes no room where the file system compresses.
 */
export class Reserve {
  readonly #folder: string
  readonly #path: string
  #held: boolean

  constructor(folder: string) {
    this.#folder = folder
    this.#path = join(folder, RESERVE_FILE)
    this.#held = existsSync(this.#path)
  }

  /** It is there. */
  get held(): boolean {
    return this.#held
  }

  /** Gives the room away. False if there was none. */
  release(): boolean {
    if (!this.#held) return false
    rmSync(this.#path, { force: true })
    this.#held = false
    return true
  }

  /** Bytes that may still be written beyond what is held back; negative if there is less than that. */
  room(): number {
    const { bavail, bsize, blocks } = statfsSync(this.#folder)
    return bavail * bsize - Math.min(LEAST_FREE_BYTES, blocks * bsize * LEAST_SHARE)
  }

  /** Makes it if there is room enough. Returns {@link held}. */
  ensure(): boolean {
    if (this.#held) return true
    try {
      if (this.room() < RESERVE_BYTES) return false
      const file = openSync(this.#path, 'w', 0o600)
      try {
        for (let at = 0; at < RESERVE_BYTES; at += CHUNK) writeSync(file, systemRandom.bytes(CHUNK))
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      this.#held = true
    } catch {
      rmSync(this.#path, { force: true })
    }
    return this.#held
  }
}
