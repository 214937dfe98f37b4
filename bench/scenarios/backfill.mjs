import { eventIdAt, openClient, toFrame } from '../load/client.mjs'
import { startMeter } from '../load/meter.mjs'

const PAGE = 500
const PAGE_MS = 30_000

/** One page: counts what comes, keeps the last event's text; `look` sees every event. */
function page(client, filter, look) {
  return new Promise((resolve, reject) => {
    let count = 0
    let last
    const timer = setTimeout(() => fail(new Error('no EOSE in 30 s')), PAGE_MS)
    const fail = error => {
      clearTimeout(timer)
      reject(error)
    }
    client.on = {
      event(buffer, start, end) {
        count += 1
        look?.(buffer, start, end)
        last = { buffer, start, end }
      },
      eose(text) {
        clearTimeout(timer)
        const event = last === undefined ? undefined : JSON.parse(last.buffer.toString('utf8', last.start, last.end))[2]
        resolve({ count, last: event, hints: JSON.parse(text)[2] ?? [] })
      },
      refused: text => fail(new Error(text)),
      lost: reason => fail(new Error(`connection lost: ${reason}`)),
    }
    client.send(toFrame(['REQ', 'page', filter]))
  })
}

/** Everything, in log order. */
async function bySeq(client, look) {
  let total = 0
  let at = { since_seq: 0 }
  for (;;) {
    const { count, hints } = await page(client, { ...at, limit: PAGE }, look)
    total += count
    const hint = name => hints.find(text => text.startsWith(`${name}:`))?.slice(name.length + 1)
    if (!hints.includes('more')) return total
    const next = Number(hint('seq'))
    if (!(next > at.since_seq)) throw new Error(`no way on from ${JSON.stringify(hints)}`)
    at = { since_seq: next, epoch: hint('epoch') }
  }
}

/** Everything, newest first, page by page: what a client does on a relay without sequence numbers. Boundary seconds come twice. */
async function byTime(client, look) {
  let total = 0
  let until
  for (;;) {
    const { count, last } = await page(client, { limit: PAGE, ...(until === undefined ? {} : { until }) }, look)
    total += count
    if (last === undefined || last.created_at === until) return total
    until = last.created_at
  }
}

/** Reads the whole log over one connection: once, when every id is looked at, then again and again for a while. */
export async function backfill({ server, target, options, report }) {
  const ways = [...(target.speaksSeq ? [['in log order', bySeq]] : []), ['by time', byTime]]
  for (const [name, read] of ways) {
    const client = await openClient(server.url)
    try {
      const seen = new Set()
      const stopFirst = startMeter(server.pid)
      const first = await read(client, (buffer, start) => seen.add(eventIdAt(buffer, start)))
      // What a relay keeps in memory it has read by now.
      report(`${name}, first time`, { unit: 'events/s', ...stopFirst(first), stored: seen.size })
      if (target.fresh && seen.size < options.events)
        throw new Error(`${name}: ${seen.size} of ${options.events} events`)
      const before = client.bytes().in
      const stop = startMeter(server.pid)
      const until = performance.now() + options.backfillSeconds * 1000
      let total = 0
      do total += await read(client)
      while (performance.now() < until)
      report(name, { unit: 'events/s', ...stop(total), stored: seen.size, bytes: { in: client.bytes().in - before } })
    } finally {
      client.close()
    }
  }
}
