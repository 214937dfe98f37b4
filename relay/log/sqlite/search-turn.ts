import type { Filter } from '../../../protocol/filter.ts'
import { queryTerms, searchableText, termsOf } from '../../search.ts'
import { B, K1, LEAST_WEIGHT } from '../../search-rank.ts'
import type { Reader } from '../store.ts'
import { createRowTest } from './match.ts'
import { matchExpression } from './plan.ts'
import { eventOfIntact, idIn, readRow } from './row.ts'
import { ROWS_SQL, SEQ_BELOW_SQL } from './rows.ts'
import type { Statements } from './statements.ts'

/** Up to so many entries of the words of a search, FTS5 ranks them in one statement; more are read from the newest on. */
const FEW_ENTRIES = 16_384
/** Rows tested per turn, and characters of them after which it ends. */
const ROWS = 256
const CHUNK = 32
const CHARS = 524_288
/** Seqs that one statement looks for common words in. */
const WINDOW = 8_192
/** Of common words the newest matches are ranked against each other, */
const MATCHES = 2_000
/** and after so many events that have the words nothing older is looked at. */
const TESTED = 20_000

const HITS_SQL = 'SELECT count(*) FROM (SELECT rowid FROM search WHERE search MATCH ? LIMIT ?)'
const RANKED_SQL = 'SELECT rowid, round(bm25(search), 9) FROM search WHERE search MATCH ? ORDER BY rowid DESC'
const WINDOW_SQL =
  'SELECT rowid FROM search WHERE search MATCH ? AND rowid > ? AND rowid <= ? ORDER BY rowid DESC LIMIT ?'

/** A match: lower scores are better. */
export type Match = readonly [score: number, created_at: number, id: string, seq: number]

/** Where a search goes on: with what FTS5 has ranked, or down the log. */
export type SearchFrom =
  | { readonly upTo: number; readonly ranked: Float64Array; readonly scores: Float64Array }
  | {
      readonly upTo: number
      readonly top: number
      readonly weights: readonly number[]
      readonly words: number | undefined
      readonly tested: number
      readonly matches: number
    }

export interface SearchTurn extends Reader {
  readonly filter: Filter
  readonly from?: SearchFrom
}

export interface SearchPart {
  readonly matches: readonly Match[]
  /** The log position that the search covers. */
  readonly upTo: number
  readonly next: SearchFrom | undefined
  /** Older matches were not looked at. */
  readonly cut: boolean
}

/** One turn of a search. What it reads is bounded, whatever words are looked for and however many events have them. */
export function searchTurn(
  statements: Statements,
  request: SearchTurn,
  last: number,
  onDamage: (seq: number) => void,
): SearchPart {
  const { filter, from } = request
  const words = matchExpression(filter.search ?? '')
  if (words === undefined) return { matches: [], upTo: last, next: undefined, cut: false }
  const terms = queryTerms(filter.search ?? '')
  if (from === undefined) return begin(statements, words, terms, last)
  const test = createTest(statements, request, onDamage)
  return 'ranked' in from ? testRanked(from, test) : walk(statements, words, terms, from, test)
}

function begin(statements: Statements, words: string, terms: readonly string[], last: number): SearchPart {
  const count = statements.values(HITS_SQL)
  const hits: number[] = []
  let sum = 0
  for (const term of terms) {
    const some = Number(count.get(`"${term}"`, FEW_ENTRIES + 1))
    if (some === 0) return { matches: [], upTo: last, next: undefined, cut: false }
    hits.push(some)
    sum += some
    if (sum > FEW_ENTRIES * 4) break
  }
  if (sum <= FEW_ENTRIES) {
    const found = statements.raw(RANKED_SQL).all(words) as [number, number][]
    const ranked = Float64Array.from(found, ([seq]) => seq)
    const scores = Float64Array.from(found, ([, score]) => score)
    return {
      matches: [],
      upTo: last,
      next: found.length === 0 ? undefined : { upTo: last, ranked, scores },
      cut: false,
    }
  }
  const weights = terms.map((_, index) => {
    const some = hits[index] ?? FEW_ENTRIES
    return Math.max(LEAST_WEIGHT, Math.log((last - some + 0.5) / (some + 0.5)))
  })
  const next = { upTo: last, top: last, weights, words: undefined, tested: 0, matches: 0 }
  return { matches: [], upTo: last, next, cut: false }
}

interface Tested {
  readonly seq: number
  readonly created_at: number
  readonly id: string
  /** Of those that are to be scored. */
  readonly words: readonly string[]
}
/** `looked`: so many of the seqs were looked at before the turn was over. */
type Test = (
  seqs: readonly number[],
  scored: boolean,
) => { readonly tested: readonly Tested[]; readonly looked: number }

/** Which of these events match the rest of the filter and may be read. */
function createTest(statements: Statements, request: SearchTurn, onDamage: (seq: number) => void): Test {
  const { search: _, ...rest } = request.filter
  const test = createRowTest([rest], request)
  const fetch = statements.values(ROWS_SQL)
  return (seqs, scored) => {
    const tested: Tested[] = []
    let chars = 0
    let looked = 0
    while (looked < seqs.length && chars < CHARS) {
      const chunk = seqs.slice(looked, looked + CHUNK)
      looked += chunk.length
      for (const row of (fetch.all(JSON.stringify(chunk)) as string[]).map(readRow)) {
        chars += row.json.length
        if (!row.intact) onDamage(row.seq)
        else if (test(row)) {
          const words = scored ? termsOf(searchableText(eventOfIntact(row)) ?? '') : []
          tested.push({ seq: row.seq, created_at: row.created_at, id: idIn(row.json), words })
        }
      }
    }
    return { tested, looked }
  }
}

function testRanked(from: Extract<SearchFrom, { ranked: Float64Array }>, test: Test): SearchPart {
  const { upTo } = from
  const scores = new Map<number, number>()
  const seqs = [...from.ranked.subarray(0, ROWS)]
  for (const [index, seq] of seqs.entries()) scores.set(seq, from.scores[index] ?? 0)
  const { tested, looked } = test(seqs, false)
  const matches = tested.map(({ seq, created_at, id }): Match => [scores.get(seq) ?? 0, created_at, id, seq])
  const next =
    from.ranked.length <= looked
      ? undefined
      : { upTo, ranked: from.ranked.slice(looked), scores: from.scores.slice(looked) }
  return { matches, upTo, next, cut: false }
}

function walk(
  statements: Statements,
  words: string,
  terms: readonly string[],
  from: Extract<SearchFrom, { top: number }>,
  test: Test,
): SearchPart {
  const { upTo, top, weights } = from
  const above = Math.max(0, top - Math.max(ROWS, Math.floor(WINDOW / terms.length)))
  const seqs = statements.values(WINDOW_SQL).all(words, above, top, ROWS) as number[]
  const { tested, looked } = test(seqs, true)
  const average = from.words ?? (tested.length === 0 ? undefined : mean(tested))
  const matches = tested.map((each): Match => {
    return [-scoreOf(each.words, terms, weights, average ?? 1), each.created_at, each.id, each.seq]
  })
  const end = looked < seqs.length || seqs.length === ROWS ? (seqs[looked - 1] ?? 1) - 1 : above
  const below = end <= 0 ? 0 : Number(statements.values(SEQ_BELOW_SQL).get(end) ?? 0)
  const counted = { tested: from.tested + looked, matches: from.matches + matches.length }
  const cut = below > 0 && (counted.matches >= MATCHES || counted.tested >= TESTED)
  const next = below === 0 || cut ? undefined : { upTo, top: below, weights, words: average, ...counted }
  return { matches, upTo, next, cut }
}

const mean = (tested: readonly Tested[]): number =>
  Math.max(1, tested.reduce((sum, { words }) => sum + words.length, 0) / tested.length)

/** BM25 as `search-rank.ts` has it, with the average length of the newest matches for that of all events. */
function scoreOf(
  words: readonly string[],
  terms: readonly string[],
  weights: readonly number[],
  average: number,
): number {
  let score = 0
  for (const [index, term] of terms.entries()) {
    let count = 0
    for (const word of words) if (word === term) count += 1
    score +=
      (weights[index] ?? LEAST_WEIGHT) * ((count * (K1 + 1)) / (count + K1 * (1 - B + (B * words.length) / average)))
  }
  return Math.round(score * 1e9) / 1e9
}
