/** Okapi BM25 as SQLite's FTS5 computes it, so that a log in memory ranks like one on disk. Higher is better. */
export const K1 = 1.2
export const B = 0.75
/** A word that most documents have still counts a little. */
export const LEAST_WEIGHT = 1e-6

/** `documents`: the terms of everything searchable. Scores of those that have every term of the query, by key. */
export function rank<K>(documents: ReadonlyMap<K, readonly string[]>, query: readonly string[]): Map<K, number> {
  let words = 0
  const having = new Map(query.map(term => [term, 0]))
  const found = new Map<K, Map<string, number>>()
  for (const [key, terms] of documents) {
    words += terms.length
    const counts = new Map<string, number>()
    for (const term of terms) if (having.has(term)) counts.set(term, (counts.get(term) ?? 0) + 1)
    for (const term of counts.keys()) having.set(term, (having.get(term) ?? 0) + 1)
    if (counts.size === having.size) found.set(key, counts)
  }
  const average = words / Math.max(1, documents.size)
  const scores = new Map<K, number>()
  for (const [key, counts] of found) {
    const length = documents.get(key)?.length ?? 0
    let score = 0
    // In the order of the query: a sum of fractions depends on it.
    for (const term of having.keys()) {
      const count = counts.get(term) ?? 0
      const hits = having.get(term) ?? 0
      const weight = Math.max(LEAST_WEIGHT, Math.log((documents.size - hits + 0.5) / (hits + 0.5)))
      score += weight * ((count * (K1 + 1)) / (count + K1 * (1 - B + (B * length) / average)))
    }
    scores.set(key, Math.round(score * 1e9) / 1e9)
  }
  return scores
}
