// One agent of the chaos run, in a process that may be killed at any moment. Writes down what `send` has promised, and each time a
// handler runs, with one append each: a line is there, or it is not.
import { appendFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { openAgent } from 'posthorn'
import { randomFrom } from './random.mjs'

const { name, home, life, seed, people, relays, promises, work, everyMs } = JSON.parse(process.argv[2])
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

async function talk() {
  const others = people.filter(person => person.name !== name)
  for (let n = 1; ; n += 1) {
    await delay(everyMs * (0.5 + random()))
    if (!sending) return
    const to = others[Math.floor(random() * others.length)].name
    const act = random() < 0.4 ? 'request' : 'inform'
    const id = await agent.send(to, `${name} ${life} ${n}`, { act })
    appendFileSync(promises, `${JSON.stringify({ id, from: name, to, act })}\n`)
  }
}

function waits() {
  const { queue, relays: lines } = agent.status()
  const open = agent.inbox().filter(({ act, state }) => act === 'request' && state !== 'done').length
  return { queue, open, away: lines.filter(({ state }) => state !== 'live').length }
}

function told(sent) {
  const inbox = agent.inbox().map(({ id, from, act, state, replyTo }) => ({ id, from, act, state, replyTo }))
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
  else process.send(told(sent))
})
process.on('disconnect', () => process.exit(1))
process.send({ ready: true, pubkey: agent.pubkey })
