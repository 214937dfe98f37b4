// The agent of waking.mjs. Tells its parent what it has, what it did, and what its heap held after collections on the way.
import { openAgent } from 'posthorn'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'

const { url, home, secretKey, senders, messages, requests } = JSON.parse(process.argv[2])
const LOOK_MS = 20
const MB = 2 ** 20

const started = performance.now()
const cpu = process.cpuUsage()
const agent = await openAgent({
  relays: [url],
  announce: false,
  presence: false,
  host: { secretKey: Uint8Array.from(secretKey), store: openSqliteMailStore(home), contacts: () => senders },
})
const runs = new Map()
agent.handle('request', ({ id }) => {
  runs.set(id, (runs.get(id) ?? 0) + 1)
  return 'done'
})

const heapMb = []
let expected
/** After each tenth of the messages, and at the end. */
function look() {
  const [status] = agent.status().relays
  expected = Math.max(expected ?? 0, status.expected ?? 0)
  if (status.received >= (messages * (heapMb.length + 1)) / 10) {
    globalThis.gc()
    heapMb.push(Math.round((process.memoryUsage().heapUsed / MB) * 10) / 10)
  }
}
const looking = setInterval(look, LOOK_MS)
const summary = await agent.sync({ maxMs: 600_000 })
const caughtUpMs = performance.now() - started
while (runs.size < requests || agent.status().queue > 0) await new Promise(resolve => setTimeout(resolve, LOOK_MS))
const handledMs = performance.now() - started
const used = process.cpuUsage(cpu)
clearInterval(looking)
globalThis.gc()
heapMb.push(Math.round((process.memoryUsage().heapUsed / MB) * 10) / 10)
const report = {
  complete: summary.complete,
  inbox: agent.inbox().length,
  handled: runs.size,
  handledOnce: [...runs.values()].filter(times => times === 1).length,
  expected,
  caughtUpMs: Math.round(caughtUpMs),
  handledMs: Math.round(handledMs),
  cpuMs: Math.round((used.user + used.system) / 1000),
  heapMb,
  rssMb: Math.round(process.memoryUsage().rss / MB),
}
await agent.close()
process.send(report)
