import { askClosed } from '../load/ask.mjs'
import { openClients } from '../load/client.mjs'
import { startMeter } from '../load/meter.mjs'
import { publishPaced, requireAccepted } from '../load/publish.mjs'
import { createSamples } from '../load/samples.mjs'
import { awaitDeliveries, openFollowers } from './followers.mjs'
import { shapesOf } from './shapes.mjs'

/** Writers by the clock, readers without pause, and live subscribers, all at once: what each makes the others wait. */
export async function mixed({ server, options, corpus, salt, report }) {
  const events = (await corpus(`main${salt}`, options.events)).map(({ event }) => event)
  const section = `mixed${salt}`
  const entries = await corpus(section, Math.ceil(options.mixedRate * options.mixedSeconds))
  const followers = await openFollowers(server.url, options.mixedSubscribers, section)
  const writers = await openClients(server.url, 2)
  const readers = await openClients(server.url, options.queryConnections)
  const filters = shapesOf(events)
    .filter(({ search, name }) => !search && name !== 'by id')
    .flatMap(shape => shape.filters)
  try {
    const due = new Map()
    const delivery = createSamples()
    const expected = entries.length * followers.length
    const arrived = awaitDeliveries(followers, expected, {
      idleMs: 5_000,
      onEvent: (id, at) => delivery.add(at - (due.get(id) ?? at)),
    })
    const stop = startMeter(server.pid)
    const [tally, asked, delivered] = await Promise.all([
      publishPaced(writers, entries, options.mixedRate, { onDue: (id, at) => due.set(id, at) }),
      askClosed(readers, filters, options.mixedSeconds * 1000),
      arrived,
    ])
    requireAccepted(tally)
    const { perSecond: _, ...figures } = stop(asked.events + tally.accepted + delivered)
    const readRate = Math.round(asked.events / options.mixedSeconds)
    report('read', { unit: 'events/s', ...figures, perSecond: readRate, latencyMs: asked.latency.summary() })
    report(`write ${options.mixedRate}/s`, {
      unit: 'events/s',
      perSecond: options.mixedRate,
      operations: tally.accepted,
      missing: tally.missing,
      latencyMs: tally.latency.summary(),
    })
    report('deliver', {
      unit: 'messages/s',
      perSecond: Math.round(delivered / options.mixedSeconds),
      operations: delivered,
      missing: expected - delivered,
      subscribers: followers.length,
      latencyMs: delivery.summary(),
    })
  } finally {
    for (const client of [...followers, ...writers, ...readers]) client.close()
  }
}
