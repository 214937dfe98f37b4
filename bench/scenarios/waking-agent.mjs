// The agent that wakes: an SDK agent with a SQLite mailbox, from nothing to caught up. One JSON object on stdout.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { parseEvent } from 'posthorn/protocol'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { openThreads } from '#dist/sdk/node-host.js'
import { SENDERS } from '../load/event-mix.mjs'
import { memoryOf } from '../load/meter.mjs'
import { keyOf } from '../load/sign.mjs'

/** What the verifier alone is timed with, after half as many that warm it up. */
const VERIFIED = 4_000
/** Asked for at once, as the agent does: batches beside each other. */
const BATCH = 256
const BESIDE = 3

const { url, section, messages, seconds } = JSON.parse(process.argv[2])
const folder = mkdtempSync(join(tmpdir(), 'posthorn-bench-agent-'))
try {
  const store = openSqliteMailStore(join(folder, 'mail.db'))
  const contacts = Array.from({ length: SENDERS }, (_, n) => ({
    name: `sender-${n}`,
    pubkey: keyOf(`${section} sender ${n}`).pubkey,
  }))
  const startRssMb = memoryOf('self')?.rssMb
  const cpu = process.cpuUsage()
  const started = performance.now()
  const agent = await openAgent({
    relays: [url],
    host: { secretKey: keyOf(`${section} recipient`).secretKey, store, contacts: () => contacts },
  })
  const summary = await agent.sync({ maxMs: seconds * 1000 })
  const took = (performance.now() - started) / 1000
  const used = process.cpuUsage(cpu)
  const peakRssMb = memoryOf('self')?.peakRssMb
  const inbox = agent.inbox({ limit: messages + 1 })
  const unopened = inbox.filter(({ error }) => error !== undefined).length
  if (unopened > 0) throw new Error(`${unopened} messages could not be opened`)
  const verifier = await verifierSpeed(inbox.slice(-VERIFIED).map(({ id }) => store.get(id)))
  await agent.close({ timeoutMs: 5_000 })
  console.log(
    JSON.stringify({
      complete: summary.complete,
      messages: inbox.length,
      invalid: summary.invalid,
      bytes: summary.bytes,
      seconds: Math.round(took * 1000) / 1000,
      cpuMs: Math.round((used.user + used.system) / 1000),
      startRssMb,
      peakRssMb,
      verifier,
    }),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit()

/** What the agent's verifier threads do of these events when nothing else is done, and nobody helps them. */
async function verifierSpeed(mails) {
  const events = mails.map(mail => parseEvent(JSON.parse(mail.event)).value)
  const verifier = await openThreads()
  await verifyAll(verifier, events.slice(0, Math.ceil(events.length / 2)))
  const cpu = process.cpuUsage()
  const started = performance.now()
  await verifyAll(verifier, events)
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  await verifier.close()
  return {
    tier: verifier.tier,
    perSecond: Math.round(events.length / seconds),
    cpuUs: Math.round((user + system) / events.length),
  }
}

async function verifyAll(verifier, events) {
  const batches = Array.from({ length: Math.ceil(events.length / BATCH) }, (_, n) =>
    events.slice(n * BATCH, (n + 1) * BATCH),
  )
  const lanes = Array.from({ length: BESIDE }, async () => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      const verdicts = await verifier.verify(batch)
      if (verdicts.includes(false)) throw new Error('the verifier refused a message of the inbox')
    }
  })
  await Promise.all(lanes)
}
