// One agent of the chaos run, in a process that may be killed at any moment. Writes down what `send` has promised, and each time a
// handler runs, and what of its state it was told is kept, with one append each: a line is there, or it is not.
import { appendFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { openAgent } from 'posthorn'
import { randomFrom } from './random.mjs'

const { name, home, life, seed, people, relays, promises, work, writes, reads, everyMs } = JSON.parse(process.argv[2])
const random = randomFrom(seed)
let sending = false
let talking = Promise.resolve()

const agent = await openAgent({ home, relays, presence: false, host: { contacts: () => people } })
agent.handle(
  'request',
  async ({ id, text }) => {
    appendFileSync(work, `${JSON.stringify({ id, life })}\n`)
    // Time to be killed in the middle.
    await delay(random() * 100)
    return `done: ${text}`
  },
  // An attempt that was cut short counts, and here many are.
  { maxAttempts: 1_000 },
)

/** The machine's wall clock was moved under this process. */
const isWrong = () => Math.abs(Date.now() - performance.timeOrigin - performance.now()) > 60_000

async function write(n) {
  const change = { key: `k${Math.floor(random() * 6)}`, value: `${life}.${n}` }
  await agent.state.set(change.key, change.value)
  appendFileSync(writes, `${JSON.stringify({ ...change, life })}\n`)
}

/** Each opened once in a life, at the first report. */
const views = new Map()
async function states() {
  for (const who of reads) if (!views.has(who)) views.set(who, await agent.openState(who))
  const { values } = await agent.state.entries()
  const seen = [...views].map(([who, view]) => ({ who, values: view.content().values, behind: view.status.behind }))
  return { values, seen }
}

async function talk() {
  const others = people.filter(person => person.name !== name)
  for (let n = 1; ; n += 1) {
    await delay(everyMs * (0.5 + random()))
    if (!sending) return
    if (random() < 0.3) await write(n)
    const to = others[Math.floor(random() * others.length)].name
    const act = random() < 0.4 ? 'request' : 'inform'
    const text = `${name} ${life} ${n}`
    const wrong = isWrong()
    const id = await agent.send(to, text, { act })
    appendFileSync(promises, `${JSON.stringify({ id, from: name, to, act, text, life, wrong: wrong || isWrong() })}\n`)
  }
}

function waits() {
  const { queue, relays: lines } = agent.status()
  const open = agent.inbox().filter(({ act, state }) => act === 'request' && state !== 'done').length
  return { queue, open, away: lines.filter(({ state }) => state !== 'live').length }
}

function told(sent) {
  const inbox = agent
    .inbox()
    .map(({ id, from, act, state, replyTo, text }) => ({ id, from, act, state, replyTo, text }))
  const outbox = sent.map(id => ({
    id,
    state: agent.delivery(id)?.state,
    receipts: agent.receipts(id).map(({ from, state }) => ({ from, state })),
  }))
  return { inbox, outbox }
}

process.on('message', async ({ ask, sent = [] }) => {
  if (ask === 'talk') {
    sending = true
    talking = talk()
    process.send({ ok: true })
  } else if (ask === 'hush') {
    sending = false
    await talking
    process.send({ ok: true })
  } else if (ask === 'waits') process.send(waits())
  else process.send({ ...told(sent), states: await states() })
})
process.on('disconnect', () => process.exit(1))
process.send({ ready: true, pubkey: agent.pubkey })
