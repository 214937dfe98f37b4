// What the load is made of: unsigned events of about 480 bytes, the same in every run for one seed.

const WORDS =
  'agent relay letter window harbour planner report summary request answer budget garden copper violet river morning paper engine signal corner'.split(
    ' ',
  )

/** Mulberry32: small, seeded, good enough for words and choices. */
export function dice(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Few authors write much, many little. */
const skewed = (random, count) => Math.floor(count * random() ** 2)

export const AUTHORS = 64
/** Of the mail that an agent wakes to. */
export const SENDERS = 8

/** `{ author, template }` for the n-th of `count` events; `topic` is the `t` of all of them. */
export function createMix({ seed, count, newest, topic, keys }) {
  const random = dice(seed)
  return n => {
    const roll = random()
    const kind = roll < 0.8 ? 1 : roll < 0.95 ? 7 : 1111
    const words = Array.from({ length: 3 + Math.floor(random() * 6) }, () => WORDS[skewed(random, WORDS.length)])
    const author = skewed(random, AUTHORS)
    return {
      author,
      template: {
        kind,
        // Two a second, newest last: pages by time end on different seconds.
        created_at: newest - Math.floor((count - n) / 2),
        tags: [
          ['p', keys[skewed(random, AUTHORS)].pubkey],
          ['t', topic],
        ],
        content: `${words.join(' ')} ${n}`,
      },
    }
  }
}
