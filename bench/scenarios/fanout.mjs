import { bytesOf, openClients } from '../load/client.mjs'
import { startMeter } from '../load/meter.mjs'
import { publishClosed, publishPaced, requireAccepted } from '../load/publish.mjs'
import { createSamples } from '../load/samples.mjs'
import { awaitDeliveries, openFollowers } from './followers.mjs'

const IDLE_MS = 5_000

/** Every event goes to all subscribers: as fast as it can (`burst`), then at a fixed rate for the time it takes (`paced`). */
export async function fanout({ server, options, corpus, salt, report }) {
  const pacedCount = Math.ceil(options.fanoutRate * options.fanoutSeconds)
  // Topic and section are one name; what `mixed` publishes stands behind what is published here.
  const section = `live${salt}`
  const all = await corpus(section, options.fanoutEvents + pacedCount)
  const followers = await openFollowers(server.url, options.subscribers, section)
  const publishers = await openClients(server.url, options.ingestConnections)
  const everybody = [...followers, ...publishers]
  try {
    const burst = all.slice(0, options.fanoutEvents)
    const warm = Math.floor(burst.length / 10)
    const deliver = async (entries, publish, onEvent) => {
      const expected = entries.length * followers.length
      const arrived = awaitDeliveries(followers, expected, { idleMs: IDLE_MS, onEvent })
      // The first failure tells; the other promise then has no reader.
      const [tally, count] = await Promise.all([publish(entries), arrived])
      requireAccepted(tally)
      if (count < expected) throw new Error(`${expected - count} of ${expected} messages did not arrive`)
      return count
    }
    const closed = entries => publishClosed(publishers, entries, options.window)
    await deliver(burst.slice(0, warm), closed)
    const before = bytesOf(everybody)
    const stop = startMeter(server.pid)
    const count = await deliver(burst.slice(warm), closed)
    report('burst', {
      unit: 'messages/s',
      ...stop(count),
      subscribers: followers.length,
      bytes: { in: bytesOf(everybody).in - before.in },
    })

    const due = new Map()
    const latency = createSamples()
    const stopPaced = startMeter(server.pid)
    const paced = await deliver(
      all.slice(options.fanoutEvents),
      entries => publishPaced(publishers, entries, options.fanoutRate, { onDue: (id, at) => due.set(id, at) }),
      (id, at) => latency.add(at - (due.get(id) ?? at)),
    )
    report(`paced ${options.fanoutRate} events/s`, {
      unit: 'messages/s',
      ...stopPaced(paced),
      subscribers: followers.length,
      latencyMs: latency.summary(),
    })
  } finally {
    for (const client of everybody) client.close()
  }
}
