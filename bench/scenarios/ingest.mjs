import { bytesOf, openClients } from '../load/client.mjs'
import { startMeter } from '../load/meter.mjs'
import { publishClosed, publishPaced, requireAccepted } from '../load/publish.mjs'

/** Closed loop: all events over 4 connections, 64 unanswered each, OK awaited. Also fills the relay for what comes after. */
export async function ingest({ server, options, corpus, salt, report }) {
  const all = await corpus(`main${salt}`, options.events)
  const clients = await openClients(server.url, options.ingestConnections)
  try {
    // Machine code for the hot paths of both sides: a relay runs longer than our measurement.
    const warm = Math.min(500, Math.floor(all.length / 10))
    requireAccepted(await publishClosed(clients, all.slice(0, warm), options.window))
    const before = bytesOf(clients)
    const stop = startMeter(server.pid)
    const tally = await publishClosed(clients, all.slice(warm), options.window)
    const figures = stop(tally.accepted + tally.refused)
    requireAccepted(tally)
    const after = bytesOf(clients)
    report('closed', {
      unit: 'events/s',
      ...figures,
      latencyMs: tally.latency.summary(),
      bytes: { in: after.in - before.in, out: after.out - before.out },
    })
  } finally {
    for (const client of clients) client.close()
  }
}

/** Open loop: events come by the clock at fixed rates, until one is more than the relay can do. */
export async function openIngest({ server, options, corpus, salt, report }) {
  const counts = options.openRates.map(rate => Math.ceil(rate * options.openSeconds))
  const total = counts.reduce((sum, count) => sum + count, 0)
  const all = await corpus(`open${salt}`, total)
  const clients = await openClients(server.url, options.ingestConnections)
  try {
    let from = 0
    for (const [n, rate] of options.openRates.entries()) {
      const entries = all.slice(from, from + counts[n])
      from += counts[n]
      const stop = startMeter(server.pid)
      const tally = await publishPaced(clients, entries, rate)
      requireAccepted(tally)
      // What waited for stragglers would dilute the rate; what was asked of the relay is the rate itself.
      const { perSecond, seconds, ...figures } = stop(Math.max(1, tally.accepted))
      const share = tally.accepted / entries.length
      const latency = tally.latency.summary()
      const sustained = share === 1 && seconds < options.openSeconds * 1.1 + 0.25
      report(`open ${rate}/s`, {
        unit: 'events/s',
        ...figures,
        seconds,
        perSecond: rate,
        sustained,
        missing: tally.missing,
        latencyMs: latency,
      })
      if (!sustained) return
    }
  } finally {
    for (const client of clients) client.close()
  }
}
