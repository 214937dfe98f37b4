// ROUNDS messages wait: queued by one agent, taken by a relay, caught up with by another one, read by pages, handled, answered,
// pruned. How long each step holds the event loop is in the figures (`loopDelayMs` and the CPU of the longest turn). Fails if a
// message costs much more than with a tenth of them waiting, or if one is missing. Needs a built dist/.
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { openAgent } from 'posthorn'
import { publicKeyOf } from 'posthorn/protocol'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'

const COUNT = Number(process.env.ROUNDS ?? process.argv[2] ?? 100_000)
const deadline = performance.now() + Number(process.env.MINUTES ?? 30) * 60_000
/** Of the CPU that one message costs, at COUNT and at a tenth of it. What costs the square would be ten times. */
const MAX_RATIO = 3
/** A network that is not there. */
function noDial(_url, events) {
  queueMicrotask(() => events.onClose(1006, 'offline'))
  return { send() {}, close() {}, terminate() {}, unsentBytes: 0 }
}
const HOUR_MS = 3_600_000
const keyOf = name => new Uint8Array(createHash('sha256').update(`posthorn backlog ${name}`).digest())
const [from, to] = ['sender', 'recipient'].map(name => ({
  name,
  secretKey: keyOf(name),
  pubkey: publicKeyOf(keyOf(name)),
}))
const scratch = mkdtempSync(join(tmpdir(), 'posthorn-backlog-'))
const round = (n, digits = 1) => Number(n.toFixed(digits))

/** CPU that this thread had, ms; where the system does not tell, that of the process. */
function cpuMs() {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0]) / 1e6
  } catch {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
}

/** Runs one step and says what it did to the event loop. */
async function step(figures, name, count, run) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let longestCpu = 0
  let before = cpuMs()
  // Between two of these is one turn, or a few short ones.
  const timer = setInterval(() => {
    const now = cpuMs()
    longestCpu = Math.max(longestCpu, now - before)
    before = now
  }, 1)
  delay.enable()
  const [started, cpu] = [performance.now(), cpuMs()]
  await run()
  const spent = cpuMs() - cpu
  await new Promise(resolve => setTimeout(resolve, 5))
  clearInterval(timer)
  delay.disable()
  const ms = at => round(at / 1e6)
  figures[name] = {
    seconds: round((performance.now() - started) / 1000),
    cpuMsPerMessage: round(spent / count, 4),
    longestTurnCpuMs: round(longestCpu),
    loopDelayMs: { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) },
  }
  console.log(`  ${name}: ${JSON.stringify(figures[name])}`)
}

/** Polls in turns of the event loop; throws when the time of the run is over. */
async function until(what, isSo) {
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`out of time: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

async function run(count, figures) {
  const dir = mkdtempSync(join(scratch, 'run-'))
  const relay = fork(fileURLToPath(new URL('backlog-relay.mjs', import.meta.url)), [join(dir, 'relay')])
  const [{ url }] = await once(relay, 'message')
  let nowMs
  const clock = { now: () => nowMs ?? Date.now(), monotonic: () => performance.now() }
  const agentOf = async (who, peer, network = {}) => {
    const store = openSqliteMailStore(join(dir, `${who.name}.db`))
    const contacts = () => [{ name: peer.name, pubkey: peer.pubkey }]
    const host = { store, secretKey: who.secretKey, contacts, clock, ...network }
    const agent = await openAgent({ name: who.name, relays: [url], presence: false, announce: false, host })
    // What reads the counts after each change is the worst listener.
    agent.on('status', () => {})
    return agent
  }
  try {
    let agent
    // A tenth has no handler, a tenth fails at first, a tenth has a deadline.
    const sent = []
    const sendSome = async () => {
      const batch = []
      for (let n = 0; n < count; n += 1) {
        const act = n % 10 === 3 ? 'dance' : 'request'
        const text = `message ${n}: ${'x'.repeat(n % 200)}`
        batch.push(agent.send(to.pubkey, text, { act, public: true, ...(n % 10 === 5 ? { deadline: 86_400 } : {}) }))
        if (batch.length === 100) sent.push(...(await Promise.all(batch.splice(0))))
      }
      sent.push(...(await Promise.all(batch)))
    }
    agent = await agentOf(from, to, { dial: noDial })
    await step(figures, 'queue', count, sendSome)
    await step(figures, 'close with all queued', count, () => agent.close({ timeoutMs: 0 }))
    await step(figures, 'open with all queued, give to the relay', count, async () => {
      agent = await agentOf(from, to)
      await until('queued mail at the relay', () => agent.status().queue === 0)
    })
    await agent.close({ timeoutMs: 0 })

    let recipient = await agentOf(to, from)
    await step(figures, 'catch up', count, () => until('caught up', () => recipient.status().unread >= count))
    await recipient.close({ timeoutMs: 0 })
    await step(figures, 'open with all unread', count, async () => {
      recipient = await agentOf(to, from, { dial: noDial })
    })
    const seen = new Set()
    await step(figures, 'read by pages, mark a tenth', count, async () => {
      let after = 0
      for (let page; page === undefined || page.length > 0; ) {
        page = recipient.inbox({ unread: true, after, limit: 100 })
        for (const { id, arrival } of page) {
          seen.add(id)
          after = arrival
          if (seen.size % 10 === 0) recipient.read(id)
        }
        await new Promise(resolve => setImmediate(resolve))
      }
    })
    if (seen.size !== count) throw new Error(`${count - seen.size} of ${count} messages are missing`)
    await recipient.close({ timeoutMs: 0 })

    recipient = await agentOf(to, from)
    const failed = new Set()
    let handled = 0
    const wanted = count - Math.ceil((count - 3) / 10)
    await step(figures, 'handle and answer', count, async () => {
      recipient.handle('request', ({ id, text }) => {
        if (Number(text.split(':')[0].split(' ')[1]) % 10 === 7 && !failed.has(id)) {
          failed.add(id)
          throw new Error('not yet')
        }
        handled += 1
      })
      await until('all handled', () => handled >= wanted && recipient.status().queue === 0)
    })
    await recipient.close({ timeoutMs: 0 })

    agent = await agentOf(from, to)
    let told = 0
    await step(figures, 'take the receipts', count, () =>
      until('told', () => {
        // One without a handler has its last receipt when it has arrived.
        while (told < count && agent.delivery(sent[told]).state === (told % 10 === 3 ? 'received' : 'done')) told += 1
        return told === count
      }),
    )
    await agent.close({ timeoutMs: 0 })

    // Forty days on, which a relay has to agree to: what was sent is forgotten, a page a turn.
    nowMs = Date.now() + 40 * 24 * HOUR_MS
    const store = openSqliteMailStore(join(dir, `${from.name}.db`), { readonly: true })
    const isForgotten = () => {
      while (sent.length > 0 && store.sent(sent.at(-1)) === undefined) sent.pop()
      return sent.length === 0
    }
    await step(figures, 'forget what was sent', count, async () => {
      agent = await agentOf(from, to)
      await agent.send(to.pubkey, 'forty days later', { public: true })
      await until('forgotten', isForgotten)
    })
    store.close()
    await agent.close({ timeoutMs: 0 })
  } finally {
    relay.kill()
    rmSync(dir, { recursive: true, force: true })
  }
}

const results = []
try {
  for (const count of [Math.ceil(COUNT / 10), COUNT]) {
    console.log(`backlog: ${count} messages`)
    const steps = {}
    results.push({ count, steps })
    await run(count, steps)
  }
  const [small, full] = results
  const worse = Object.entries(full.steps)
    .map(([name, { cpuMsPerMessage }]) => [name, cpuMsPerMessage / Math.max(0.002, small.steps[name].cpuMsPerMessage)])
    .filter(([, ratio]) => ratio > MAX_RATIO)
  if (worse.length > 0) {
    console.error(
      `a message costs more because more wait: ${worse.map(([name, n]) => `${name} ×${round(n)}`).join(', ')}`,
    )
    process.exitCode = 1
  }
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
  if (process.env.FIGURES) for (const each of results) appendFileSync(process.env.FIGURES, `${JSON.stringify(each)}\n`)
}
