// Runs under any runtime: an agent on a profile folder asks, is answered, sends, sleeps and wakes. Arguments: relay URL, folder, the desk's key.
import { openAgent } from 'posthorn'

const [relay, home, desk] = process.argv.slice(2)
const open = () => openAgent({ home, relays: [relay], accept: 'anyone' })

const first = await open()
const { text } = await first.ask(desk, 'hello', { timeout: 20_000 })
const taken = await open().then(
  () => 'opened twice',
  error => error.code,
)
const { state } = await first.stored(await first.send(desk, 'send me three'))
await first.close()

const second = await open()
let more = 0
const counted = new Promise(resolve => {
  second.handle('note', () => {
    more += 1
    if (more === 3) resolve()
  })
})
await counted
const kept = second.inbox().map(mail => mail.text)
await second.close()
console.log(JSON.stringify({ text, taken, state, samePubkey: first.pubkey === second.pubkey, kept }))
process.exit(0)
