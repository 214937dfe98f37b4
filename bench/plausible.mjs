// Plausible events, the same for the same seed: authors, kinds and tags as skewed as they are in life, about 480 bytes of JSON.
// Ids are true hashes; signatures are not signatures, so these are for what lies behind the verifier.
import { hash } from 'node:crypto'

const AUTHORS = 20_000
const TOPICS = 2_000
/** Most frequent first. */
const KINDS = [1, 4_700, 7, 4_701, 6, 1_111, 1_059, 9_735, 30_023, 34_701, 0, 3]
const WORDS = 'mail waits for an agent that sleeps and is caught up by number when it wakes no more and no less'.split(
  ' ',
)
/** Two profiles in a thousand: what they hold is replaced, so that removals are among the rest. */
const REPLACEABLE = new Set([0, 3, 30_023, 34_701])

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function dice(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Yields `{ event, text }`, oldest first, `perSecond` events a second up to `until` (seconds). */
export function* plausibleEvents({ count, until, seed = 1, perSecond = 2 }) {
  const random = dice(seed)
  const below = n => Math.floor(random() * n)
  /** Low numbers are common, high ones rare: Zipf's law. */
  const skewed = n => Math.floor(n ** random()) - 1
  const keys = new Map()
  const keyOf = n => {
    const known = keys.get(n)
    if (known !== undefined) return known
    const key = hash('sha256', `author ${n}`)
    keys.set(n, key)
    return key
  }
  const recent = []
  const start = until - Math.ceil(count / perSecond)
  for (let n = 0; n < count; n += 1) {
    const kind = KINDS[skewed(KINDS.length)]
    // Most clocks are right, some are minutes behind.
    const created_at = start + Math.floor(n / perSecond) - (random() < 0.1 ? below(300) : 0)
    const tags = []
    if (REPLACEABLE.has(kind)) tags.push(['d', `slot ${below(128)}`])
    for (let left = below(4); left > 0; left -= 1) {
      const pick = random()
      if (pick < 0.5) tags.push(['p', keyOf(skewed(AUTHORS))])
      else if (pick < 0.85 && recent.length > 0) tags.push(['e', recent[below(recent.length)]])
      else tags.push(['t', `topic ${skewed(TOPICS)}`])
    }
    const content = Array.from({ length: 4 + below(24) }, () => WORDS[skewed(WORDS.length)]).join(' ')
    const body = [keyOf(skewed(AUTHORS)), created_at, kind, tags, content]
    const id = hash('sha256', JSON.stringify([0, ...body]))
    const event = { id, pubkey: body[0], created_at, kind, tags, content, sig: id + id }
    if (recent.length < 4_096) recent.push(id)
    else recent[below(4_096)] = id
    yield { event, text: JSON.stringify(event) }
  }
}

/** The author, recipient or topic of a rank, for queries: 0 is the most frequent. */
export const authorOf = n => hash('sha256', `author ${n}`)
export const topicOf = n => `topic ${n}`
