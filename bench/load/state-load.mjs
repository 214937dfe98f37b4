// What the state scenario writes, the same for us and for the peer: a record of texts, of which a quarter changes to small numbers.
const KEYS = 64
const MOVING = 16
const HOT = 8

const nameOf = n => `key${n}`

/** Everything once: about 4 KB of JSON. */
export const first = () => Object.fromEntries(Array.from({ length: KEYS }, (_, n) => [nameOf(n), textOf(n, 0)]))
const textOf = (n, round) => `text ${n}, as it reads after ${round} rounds of writing`

/** The n-th small change. */
export const smallChange = n => [nameOf(n % MOVING), n]
/** The n-th of a flood of writes to few keys. */
export const hotWrite = n => [nameOf(n % HOT), `hot ${n}`]
/** The n-th of very many writes: all keys in turn, texts. */
export const longWrite = n => [nameOf(n % KEYS), textOf(n, Math.floor(n / KEYS))]

/** What a peer that has everything must read. */
export const jsonBytes = values => Buffer.byteLength(JSON.stringify(values))
