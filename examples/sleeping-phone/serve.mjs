// A relay, a desk that answers and reminds, and the page. Needs a bundler: npm install rolldown
//   node examples/sleeping-phone/serve.mjs
// Open the page, send something, close the tab, wait, open it again.
import { mkdtempSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { createRelay } from 'posthorn/relay'
import { rolldown } from 'rolldown'

const here = import.meta.dirname
const folder = mkdtempSync(join(tmpdir(), 'posthorn-example-'))
const relay = await createRelay({ data: join(folder, 'relay') })
const url = await relay.listen({ port: 0 })

// Any bundler does: it takes the browser entry of `posthorn` by itself.
const bundle = await rolldown({ input: join(here, 'phone.mjs'), platform: 'browser' })
const { output } = await bundle.generate({ format: 'esm', minify: true })

let phone
const desk = await openAgent({ home: join(folder, 'desk'), relays: [url], accept: 'anyone' })
desk.on('message', ({ text, from }) => void desk.send(from, `you said “${text}”`))
const reminder = setInterval(() => phone && desk.send(phone, `it is ${new Date().toLocaleTimeString()}`), 5_000)

const files = {
  '/': ['text/html', readFileSync(join(here, 'index.html'))],
  // phone.js, and beside it what the page fetches only when it needs it.
  ...Object.fromEntries(output.map(({ fileName, code }) => [`/${fileName}`, ['text/javascript', code]])),
  '/desk.json': ['application/json', JSON.stringify({ relay: url, desk: desk.pubkey })],
}
const server = createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/hello') {
    let body = ''
    request.on('data', chunk => {
      if (body.length < 64) body += chunk
    })
    request.on('end', () => {
      if (/^[0-9a-f]{64}$/.test(body)) phone = body
      response.writeHead(204).end()
    })
    return
  }
  const [type, body] = files[request.url] ?? ['text/plain', undefined]
  response.writeHead(body === undefined ? 404 : 200, { 'content-type': type }).end(body)
})
server.listen(0, '127.0.0.1', () => console.log(`open http://localhost:${server.address().port}/`))

process.once('SIGINT', async () => {
  clearInterval(reminder)
  server.closeAllConnections()
  server.close()
  await desk.close()
  await relay.close()
})
