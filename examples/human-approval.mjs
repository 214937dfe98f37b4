// Human approval is just another request: the person is an agent too, one who may sleep till Monday.
//   node examples/human-approval.mjs            asks here, on the terminal
//   echo yes | node examples/human-approval.mjs
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openAgent } from 'posthorn'
import { createRelay } from 'posthorn/relay'

const relay = await createRelay()
const relays = [await relay.listen({ port: 0 })]
const folder = mkdtempSync(join(tmpdir(), 'posthorn-example-'))
const open = name => openAgent({ home: join(folder, name), relays })

// The person's side. Here a line on the terminal; it could be a page, or a bot in the company's chat.
const person = await open('carol')
const terminal = createInterface({ input: process.stdin })
const lines = terminal[Symbol.asyncIterator]()
person.handle(
  'request',
  async ({ text, fromName }) => {
    console.log(`${fromName} asks: ${text} [yes/no]`)
    const { value = '' } = await lines.next()
    return value.trim() === 'yes' ? { approved: true, by: 'carol' } : { approved: false, reason: value || 'no answer' }
  },
  { timeoutMs: 7 * 24 * 3_600_000 }, // people take their time
)

// The agent's side. It needs a decision before it acts, and acts once.
const deployer = await open('deployer')
const question = await deployer.send('carol', 'deploy version 7 to production?', { act: 'request' })

// Its own process may end now; `replies` of the next one tells the same answer.
for await (const { text, fromName } of deployer.replies(question)) {
  const { approved, by, reason } = JSON.parse(text)
  console.log(approved ? `deploying, approved by ${by}` : `not deployed: ${fromName} says ${reason}`)
  break
}

terminal.close()
await person.close()
await deployer.close()
await relay.close()
