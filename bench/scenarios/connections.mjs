import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClient, openClients, toFrame } from '../load/client.mjs'
import { memoryOf, startMeter, tenth } from '../load/meter.mjs'
import { publishPaced, requireAccepted } from '../load/publish.mjs'

const AT_ONCE = 200
const SETTLE_MS = 1_500
/** Files that a process has open besides its connections. */
const RESERVE = 300

/** How many sockets this process may have; where that cannot be known, as many as wanted. */
function socketLimit(pid) {
  try {
    const limits = readFileSync(`/proc/${pid}/limits`, 'latin1')
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft) - RESERVE
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** In groups, so that no backlog overflows: it is the cost of a connection that counts, not of a burst. */
async function inGroups(count, act) {
  for (let from = 0; from < count; from += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, n) => act(from + n)))
}

/** Connections that do nothing, then with one subscription each, then publishing past all of them. */
export async function connections({ server, options, corpus, salt, report, miss }) {
  const limit = Math.min(socketLimit('self'), socketLimit(server.pid))
  const wanted = Math.min(options.connections, limit)
  if (wanted < options.connections)
    miss('all of them', `ulimit -n allows ${wanted} of ${options.connections} connections`)
  const entries = await corpus(`idle${salt}`, options.idlePublishes)
  // The publishers take their places first: relays limit connections too.
  const publishers = await openClients(server.url, 2)
  const clients = []
  const before = memoryOf(server.pid)
  const cost = (now, count) =>
    before === undefined
      ? {}
      : { ...now, startRssMb: before.rssMb, kbPerConnection: tenth(((now.rssMb - before.rssMb) * 1000) / count) }
  try {
    const idle = Math.max(1, wanted - publishers.length)
    let failed
    const stop = startMeter(server.pid)
    await inGroups(idle, async () => {
      if (failed !== undefined) return
      try {
        const client = await openClient(server.url)
        // One valid frame: relays may close sockets that never said anything.
        client.send(toFrame(['CLOSE', 'none']))
        clients.push(client)
      } catch (error) {
        failed = error.message
      }
    })
    if (clients.length === 0) throw new Error(failed)
    if (failed !== undefined) miss('all of them', `${clients.length} of ${idle} connections, then ${failed}`)
    const opened = stop(clients.length)
    await sleep(SETTLE_MS)
    report('idle', {
      unit: 'connections/s',
      ...opened,
      connections: clients.length,
      ...cost(memoryOf(server.pid), clients.length),
    })

    const people = entries.map(({ event }) => event.pubkey)
    await inGroups(clients.length, n =>
      subscribe(clients[n], { authors: [people[n % people.length]], kinds: [24_706] }),
    )
    await sleep(SETTLE_MS)
    report('one subscription each', {
      unit: 'connections',
      operations: clients.length,
      connections: clients.length,
      ...cost(memoryOf(server.pid), clients.length),
    })

    const stopPublishing = startMeter(server.pid)
    const tally = await publishPaced(publishers, entries, options.idleRate)
    requireAccepted(tally)
    const { perSecond: _, ...figures } = stopPublishing(tally.accepted)
    const lost = clients.filter(client => client.lost !== undefined)
    if (lost.length > 0) miss('idle', `${lost.length} connections were closed: ${lost[0].lost}`)
    report(`publish ${options.idleRate}/s beside them`, {
      unit: 'events/s',
      ...figures,
      perSecond: options.idleRate,
      connections: clients.length - lost.length,
      latencyMs: tally.latency.summary(),
    })
  } finally {
    for (const client of [...clients, ...publishers]) client.close()
  }
}

function subscribe(client, filter) {
  return new Promise((resolve, reject) => {
    client.on = {
      eose: () => resolve(),
      refused: text => reject(new Error(text)),
      lost: reason => reject(new Error(reason)),
    }
    client.send(toFrame(['REQ', 'own', { ...filter, limit: 1 }]))
  })
}
