// What each client here is asked to do: query what is stored, subscribe (stored, then live), close, and end. run.mjs reads the lines
// and publishes the live event once it sees `eose`.
import WebSocket from 'ws'

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= WebSocket

export const [url, author] = process.argv.slice(2)
export const filter = { kinds: [1], authors: [author] }
export const say = (word, detail = '') => console.log(`${word} ${detail}`.trim())

/** Says how many different events a query brought. */
export const queried = events => say('queried', new Set([...events].map(({ id }) => id)).size)

let stored = 0
let isLive = false
/** To be called with each event of the subscription. */
export function onEvent(event, close) {
  if (!isLive) stored += 1
  else {
    say('live', event.id)
    close()
    say('closed')
  }
}
/** To be called at its EOSE. */
export function onEose() {
  if (isLive) return
  isLive = true
  say('stored', stored)
  say('eose')
}
