import { matchesNothing } from '../../../protocol/filter.ts'
import type { SearchRequest, SearchResult } from '../store.ts'
import type { Match, SearchFrom, SearchPart, SearchTurn } from './search-turn.ts'

/** Runs a search turn by turn, filter by filter. `last`: the log position it covers where no filter looks for anything. */
export async function findInTurns(
  filters: SearchRequest['filters'],
  take: (turn: Pick<SearchTurn, 'filter' | 'from'>) => Promise<SearchPart>,
  last: number,
): Promise<SearchResult> {
  const seqs = new Set<number>()
  let complete = true
  let covered: number | undefined
  for (const { filter, limit } of filters) {
    if (matchesNothing(filter)) continue
    const matches: Match[] = []
    let from: SearchFrom | undefined
    do {
      const part: SearchPart = await take(from === undefined ? { filter } : { filter, from })
      for (const match of part.matches) matches.push(match)
      if (part.cut) complete = false
      // What came between two filters is covered by neither of them.
      covered = Math.min(covered ?? part.upTo, part.upTo)
      from = part.next
    } while (from !== undefined)
    if (matches.length > limit) complete = false
    for (const [, , , seq] of matches.sort(byRank).slice(0, limit)) seqs.add(seq)
  }
  return { seqs: [...seqs], seq: covered ?? last, complete }
}

/** Best first; of equals the newest, then the lowest id. */
const byRank = (a: Match, b: Match): number => a[0] - b[0] || b[1] - a[1] || (a[2] < b[2] ? -1 : 1)
