import { askClosed, askOnce } from '../load/ask.mjs'
import { bytesOf, openClients } from '../load/client.mjs'
import { startMeter } from '../load/meter.mjs'
import { checkAnswer, shapesOf } from './shapes.mjs'

/** Each shape by 4 connections, one question at a time each; every answer is checked once before it is timed. */
export async function query({ server, target, options, corpus, salt, report, miss }) {
  const events = (await corpus(`main${salt}`, options.events)).map(({ event }) => event)
  const clients = await openClients(server.url, options.queryConnections)
  const [first] = clients
  try {
    // The ceiling's answer is the same to everything.
    const shapes = target.kind === 'ceiling' ? shapesOf(events).slice(0, 1) : shapesOf(events)
    for (const { name, filters, search } of shapes) {
      try {
        if (target.kind !== 'ceiling')
          for (const filter of filters) {
            const { events: answer } = await askOnce(first, filter)
            checkAnswer(filter, answer, target.fresh ? events : undefined)
          }
      } catch (error) {
        // Of an optional part of the protocol a wrong answer is an answer too: it is told, and not timed.
        if (!search || target.kind === 'posthorn') throw error
        miss(name, error.message.slice(0, 200))
        continue
      }
      await askClosed(clients, filters, options.querySeconds * 200)
      const before = bytesOf(clients)
      const stop = startMeter(server.pid)
      const { events: received, queries, latency } = await askClosed(clients, filters, options.querySeconds * 1000)
      const figures = stop(received)
      report(name, {
        unit: 'events/s',
        ...figures,
        queriesPerSecond: Math.round(queries / figures.seconds),
        latencyMs: latency.summary(),
        bytes: { in: bytesOf(clients).in - before.in },
      })
    }
  } finally {
    for (const client of clients) client.close()
  }
}
