// The agent that wakes: an SDK agent with a SQLite mailbox, from nothing to caught up. One JSON object on stdout.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { parseEvent } from 'posthorn/protocol'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { nodeHost } from '#dist/sdk/node-host.js'
import { SENDERS } from '../load/event-mix.mjs'
import { memoryOf } from '../load/meter.mjs'
import { keyOf } from '../load/sign.mjs'

/** Enough to be past the first, slow ones. */
const VERIFIED = 400

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
  const verifier = await verifierSpeed(inbox.slice(0, VERIFIED).map(({ id }) => store.get(id)))
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

/** What the agent's own verifier does of these events when it does nothing else. */
async function verifierSpeed(mails) {
  const events = mails.map(mail => parseEvent(JSON.parse(mail.event)).value)
  const half = Math.ceil(events.length / 2)
  await nodeHost.verifier.verify(events.slice(0, half))
  const cpu = process.cpuUsage()
  const started = performance.now()
  const verdicts = await nodeHost.verifier.verify(events.slice(half))
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  if (verdicts.includes(false)) throw new Error('the verifier refused a message of the inbox')
  return {
    perSecond: Math.round(verdicts.length / seconds),
    cpuUs: Math.round((user + system) / verdicts.length),
  }
}
