// Two agents. One sleeps while the other writes to it, and wakes to find its mail.
//   node examples/two-agents.mjs
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { createRelay } from 'posthorn/relay'

const relay = await createRelay() // in memory; with { data: folder } on disk
const relays = [await relay.listen({ port: 0 })]
const folder = mkdtempSync(join(tmpdir(), 'posthorn-example-'))
const open = name => openAgent({ home: join(folder, name), relays }) // profiles side by side know each other by name

// Bob looks in once, so that there is a Bob, and goes to sleep.
const early = await open('bob')
await early.close()

// Ada writes to him all the same.
const ada = await open('ada')
const id = await ada.send('bob', 'the report is on page 7', { act: 'request' })
await ada.stored(id) // the relay has it; Bob may take a week
console.log('ada: sent, and stored by the relay')

// Bob wakes. What he missed is worked off by his handler; what it returns is the reply.
const bob = await open('bob')
bob.handle('request', ({ text, fromName }) => {
  console.log(`bob: ${fromName} says “${text}”`)
  return 'read it, thank you'
})

// The answer comes to whoever asked, now or after a restart.
for await (const reply of ada.replies(id)) {
  console.log(`ada: ${reply.fromName} answers “${reply.text}”`)
  break
}

await bob.close()
await ada.close()
await relay.close()
