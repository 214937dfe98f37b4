// A hundred thousand messages waiting in the SQLite store: how long the event loop is held while they are worked off.
// Usage: node test/long/backlog.mjs [COUNT]. Needs a built dist/. Prints one line of JSON.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openAgent } from 'posthorn'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'

const COUNT = Number(process.argv[2] ?? 100_000)
/** Nothing listens there: outcomes wait in the outbox, which grows with what is done. */
const NOWHERE = 'ws://127.0.0.1:9'
/** A tenth fails the first time and falls due again; a tenth has no handler. */
const actOf = n => (n % 10 === 0 ? 'dance' : 'request')

const folder = mkdtempSync(join(tmpdir(), 'posthorn-backlog-'))
try {
  const store = openSqliteMailStore(join(folder, 'mail.db'))
  const senders = Array.from({ length: 20 }, (_, n) => n.toString(16).padStart(64, 'a'))
  for (let from = 0; from < COUNT; from += 1_000)
    store.record({
      feed: { relay: NOWHERE, filter: '{}' },
      mail: Array.from({ length: Math.min(1_000, COUNT - from) }, (_, index) => {
        const n = from + index
        return {
          id: n.toString(16).padStart(64, '0'),
          from: senders[n % senders.length],
          text: `message ${n}`,
          act: actOf(n),
          at: 1_700_000_000,
          private: true,
          relay: NOWHERE,
          event: '{}',
          receiptDue: true,
        }
      }),
    })
  const agent = await openAgent({
    name: 'backlog',
    relays: [NOWHERE],
    presence: false,
    announce: false,
    host: {
      store,
      secretKey: new Uint8Array(32).fill(9),
      contacts: () => senders.map((pubkey, n) => ({ name: `s${n}`, pubkey })),
    },
  })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  let ticks = 0
  const timer = setInterval(() => {
    ticks += 1
  }, 10)
  // What reads counts after each change is the worst listener.
  agent.on('status', () => {})
  let handled = 0
  const failed = new Set()
  const started = performance.now()
  const done = new Promise(resolve => {
    agent.handle('request', ({ id, text }) => {
      if (text.endsWith('7') && !failed.has(id)) {
        failed.add(id)
        throw new Error('not yet')
      }
      handled += 1
      if (handled === COUNT - Math.ceil(COUNT / 10)) resolve()
    })
  })
  await done
  const ms = performance.now() - started
  delay.disable()
  clearInterval(timer)
  const at = p => Math.round(delay.percentile(p) / 1e5) / 10
  console.log(
    JSON.stringify({
      count: COUNT,
      handled,
      seconds: Math.round(ms / 100) / 10,
      loopDelayMs: { p50: at(50), p99: at(99), p999: at(99.9), max: Math.round(delay.max / 1e5) / 10 },
      timers10ms: { fired: ticks, possible: Math.floor(ms / 10) },
    }),
  )
  await agent.close({ timeoutMs: 0 })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
