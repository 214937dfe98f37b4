import type { NostrEvent } from '../../../protocol/event.ts'
import { STATE_SNAPSHOT } from '../../../protocol/kinds.ts'
import { type ChunkTags, chunkAddress, type SnapshotSlot } from '../../../protocol/state.ts'
import type { Line } from '../../link/line.ts'
import { hashOf } from './snapshot-text.ts'

/** Pieces held until their snapshot comes, characters. */
const MAX_HELD = 4 * 1024 * 1024
const PATIENCE_MS = 5_000

/** Puts snapshots together that came in pieces; a piece counts by its hash, whoever brought it. */
export interface Pieces {
  take(event: NostrEvent, tags: ChunkTags): void
  /** Asks the relay for what is not there yet. Undefined: torn, or not to be had. */
  join(
    line: Line,
    snapshot: { readonly o: string; readonly author: string; readonly slot: SnapshotSlot },
    hashes: readonly string[],
  ): Promise<string | undefined>
}

export function createPieces(): Pieces {
  const held = new Map<string, string>()
  let size = 0

  function take({ content }: NostrEvent, { hash }: ChunkTags): void {
    if (held.has(hash) || hashOf(content) !== hash) return
    held.set(hash, content)
    size += content.length
    for (const [oldest, text] of held) {
      if (size <= MAX_HELD) return
      held.delete(oldest)
      size -= text.length
    }
  }

  function joined(hashes: readonly string[]): string | undefined {
    const texts = hashes.map(hash => held.get(hash))
    return texts.every(text => text !== undefined) ? texts.join('') : undefined
  }

  return {
    take,
    async join(line, { o, author, slot }, hashes) {
      const known = joined(hashes)
      if (known !== undefined) return known
      const addresses = hashes.map((_, index) => chunkAddress(o, slot, index))
      const filter = { kinds: [STATE_SNAPSHOT], authors: [author], '#d': addresses }
      const { events } = await line.ask(filter, addresses.length, PATIENCE_MS)
      const found = new Map(events.map(({ content }) => [hashOf(content), content]))
      const texts = hashes.map(hash => found.get(hash) ?? held.get(hash))
      return texts.every(text => text !== undefined) ? texts.join('') : undefined
    },
  }
}
