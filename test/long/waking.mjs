// An agent in its own process wakes to ROUNDS messages, a twentieth of them requests: all here, handled once, receipted in batches, and
// what its heap holds after a collection does not grow with them. Fails if any of that does not hold. What the machine does is in
// the figures, not in the verdict.
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from 'posthorn'
import { encodeEvent, eventId, publicKeyOf } from 'posthorn/protocol'
import { createRelay } from 'posthorn/relay'
import { signSchnorr } from 'tiny-secp256k1'

const MESSAGES = Number(process.env.ROUNDS ?? 10_000)
const SENDERS = 8
const EACH_REQUEST = 20
/** Above what it is at a tenth of the messages, after collections. What one page holds at once may differ. */
const MAX_HEAP_GROWTH_MB = 8
const MINUTES = Number(process.env.MINUTES ?? 10)
console.log(`waking: ${MESSAGES} messages`)

const keyOf = name => {
  const secretKey = new Uint8Array(createHash('sha256').update(`posthorn waking ${name}`).digest())
  return { secretKey, pubkey: publicKeyOf(secretKey) }
}
const senders = Array.from({ length: SENDERS }, (_, n) => keyOf(`sender ${n}`))
const agent = keyOf('agent')
const from = Math.floor(Date.now() / 1000) - MESSAGES
const sent = Array.from({ length: MESSAGES }, (_, n) => {
  const { secretKey, pubkey } = senders[n % SENDERS]
  const act = n % EACH_REQUEST === 0 ? 'request' : 'inform'
  const tags = [
    ['p', agent.pubkey],
    ['y', act],
    ['v', '1'],
  ]
  const template = { kind: 4700, created_at: from + n, tags, content: `message ${n}: ${'x'.repeat(n % 400)}` }
  const id = eventId(pubkey, template)
  const sig = Buffer.from(signSchnorr(Buffer.from(id, 'hex'), secretKey)).toString('hex')
  return { ...template, id, pubkey, sig, act }
})
const requests = sent.filter(({ act }) => act === 'request')

const scratch = mkdtempSync(join(tmpdir(), 'posthorn-waking-'))
const relay = await createRelay({ data: join(scratch, 'relay') })
const url = await relay.listen({ port: 0 })
const client = await connect(url, { timeoutMs: 60_000 })
for (let n = 0; n < MESSAGES; n += 500)
  await Promise.all(sent.slice(n, n + 500).map(({ act, ...event }) => client.publish(JSON.parse(encodeEvent(event)))))

const order = {
  ...{
    url,
    home: join(scratch, 'mail.db'),
    secretKey: [...agent.secretKey],
    messages: MESSAGES,
    requests: requests.length,
  },
  senders: senders.map(({ pubkey }, n) => ({ name: `sender-${n}`, pubkey })),
}
const child = fork(fileURLToPath(new URL('./waking-agent.mjs', import.meta.url)), [JSON.stringify(order)], {
  execArgv: ['--expose-gc'],
  timeout: Math.max(MINUTES, 1) * 60_000,
  killSignal: 'SIGKILL',
})
const [told] = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [undefined])])
child.kill('SIGKILL')

const receipts = []
await new Promise((resolve, reject) => {
  let since = 0
  let epoch
  const page = () =>
    client.request(
      [{ kinds: [4701], authors: [agent.pubkey], since_seq: since, limit: 500, ...(since ? { epoch } : {}) }],
      {
        onSeq: (_, current) => {
          epoch = current
        },
        onEvent: event => receipts.push(event),
        onEose({ seq, complete }) {
          since = seq
          if (complete === 'more') page()
          else resolve()
        },
        onClosed: reason => reject(new Error(reason)),
      },
    )
  page()
})
await client.close()
await relay.close()
rmSync(scratch, { recursive: true, force: true })

const problems = []
const expect = (what, is, should) => {
  if (is !== should) problems.push(`${what}: ${is}, not ${should}`)
}
const ofState = state => receipts.filter(({ tags }) => tags.some(([name, value]) => name === 'y' && value === state))
const about = new Set(receipts.flatMap(({ tags }) => tags.flatMap(([name, id]) => (name === 'e' ? [id] : []))))
expect('the agent', told?.complete, true)
if (told) {
  expect('messages in the inbox', told.inbox, MESSAGES)
  expect('requests handled', told.handled, requests.length)
  expect('requests handled once', told.handledOnce, requests.length)
  expect('receipted', sent.filter(({ id }) => about.has(id)).length, MESSAGES)
  expect('told how far it was', told.expected, MESSAGES)
  if (Math.max(...told.heapMb) - told.heapMb[0] > MAX_HEAP_GROWTH_MB)
    problems.push(`the heap grew: ${told.heapMb.join(', ')} MB`)
  const batched = receipts.length - requests.length
  if (batched > (4 * MESSAGES) / 100 + 10 * SENDERS) problems.push(`${batched} receipts for ${MESSAGES} messages`)
}
const figures = {
  test: 'waking',
  messages: MESSAGES,
  ...told,
  receipts: receipts.length,
  done: ofState('done').length,
  problems: problems.length,
}
if (process.env.FIGURES) appendFileSync(process.env.FIGURES, `${JSON.stringify(figures)}\n`)
console.log(JSON.stringify(figures))
for (const problem of problems) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)
