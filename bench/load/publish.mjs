// Publishing, closed loop (a window of unanswered events per connection) and open loop (by the clock, whatever comes back).
import { createSamples } from './samples.mjs'

const STALL_MS = 20_000

/** Watches that answers keep coming: calls `fail` after a time without a `beat`. */
function watchdog(fail) {
  let last = performance.now()
  const timer = setInterval(() => {
    if (performance.now() - last > STALL_MS) fail(new Error(`no answer for ${STALL_MS / 1000} s`))
  }, 1_000)
  return {
    beat: () => {
      last = performance.now()
    },
    stop: () => clearInterval(timer),
  }
}

/** What came back for what was sent. */
function createTally() {
  return { accepted: 0, refused: 0, firstRefusal: undefined, latency: createSamples() }
}

function count(tally, accepted, text) {
  if (accepted) tally.accepted += 1
  else {
    tally.refused += 1
    tally.firstRefusal ??= text()
  }
}

/** Sends all entries, each connection with at most `window` unanswered; resolves when the last is answered. */
export function publishClosed(clients, entries, window) {
  return new Promise((resolve, reject) => {
    const tally = createTally()
    const sent = new Map()
    let next = 0
    let answered = 0
    const dog = watchdog(error => finish(() => reject(error)))
    const finish = settle => {
      dog.stop()
      for (const client of clients) client.on = {}
      settle()
    }
    const sendOne = client => {
      if (next === entries.length) return
      const { id, frame } = entries[next++]
      sent.set(id, performance.now())
      client.send(frame)
    }
    for (const client of clients) {
      client.on = {
        ok(id, accepted, text) {
          const at = sent.get(id)
          if (at === undefined) return
          sent.delete(id)
          tally.latency.add(performance.now() - at)
          count(tally, accepted, text)
          answered += 1
          dog.beat()
          if (answered === entries.length) return finish(() => resolve(tally))
          sendOne(client)
        },
        refused: text => finish(() => reject(new Error(text))),
        lost: reason => finish(() => reject(new Error(`connection lost: ${reason}`))),
      }
    }
    for (let n = 0; n < window; n++) for (const client of clients) sendOne(client)
  })
}

/**
 * Sends the entries at `perSecond`, on the clock. Latency counts from the moment an event was due, not from when it could be
 * sent: a relay that stalls is charged for all it kept waiting. Waits `graceMs` for stragglers, then counts them as missing.
 */
export function publishPaced(clients, entries, perSecond, { graceMs = 3_000, onDue } = {}) {
  return new Promise((resolve, reject) => {
    const tally = { ...createTally(), missing: 0 }
    const due = new Map()
    const started = performance.now()
    let next = 0
    let timer
    const finish = settle => {
      clearTimeout(timer)
      for (const client of clients) client.on = {}
      settle()
    }
    const done = () =>
      finish(() => {
        tally.missing = due.size
        resolve(tally)
      })
    const send = () => {
      const now = performance.now()
      while (next < entries.length && started + (next * 1000) / perSecond <= now) {
        const { id, frame } = entries[next]
        const at = started + (next * 1000) / perSecond
        due.set(id, at)
        onDue?.(id, at)
        clients[next % clients.length].send(frame)
        next += 1
      }
      timer = next < entries.length ? setTimeout(send, 1) : setTimeout(done, graceMs)
    }
    for (const client of clients) {
      client.on = {
        ok(id, accepted, text) {
          const at = due.get(id)
          if (at === undefined) return
          due.delete(id)
          tally.latency.add(performance.now() - at)
          count(tally, accepted, text)
          if (due.size === 0 && next === entries.length) done()
        },
        refused: text => finish(() => reject(new Error(text))),
        lost: reason => finish(() => reject(new Error(`connection lost: ${reason}`))),
      }
    }
    send()
  })
}

/** A scenario that was refused something has not measured what it says. */
export function requireAccepted(tally) {
  if (tally.refused > 0) throw new Error(`${tally.refused} events refused, the first with ${tally.firstRefusal}`)
}
