// Speaks enough of the protocol to be measured and does no work: OK for every EVENT without looking at it, the same 100
// events for every REQ, every EVENT to everyone who asked for `"limit":1`.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const PAGE = 100

function textFrame(text) {
  const body = Buffer.from(text)
  const head =
    body.length < 126 ? Buffer.from([0x81, body.length]) : Buffer.from([0x81, 126, body.length >> 8, body.length & 255])
  return Buffer.concat([head, body])
}

const id = 'ab'.repeat(32)
const event = `{"id":"${id}","pubkey":"${id}","created_at":1,"kind":1,"tags":[["p","${id}"]],"content":"${'x'.repeat(60)}","sig":"${id}${id}"}`
const page = Buffer.concat([...Array(PAGE).fill(textFrame(`["EVENT","q",${event}]`)), textFrame('["EOSE","q"]')])
const oncePage = textFrame('["EOSE","once"]')
const none = textFrame('["EOSE","live"]')
const followers = new Set()
let news = []

const server = createServer((_request, response) => response.end())
server.on('upgrade', (request, tcp) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${GUID}`).digest('base64')
  tcp.setNoDelay(true)
  tcp.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  let rest = Buffer.alloc(0)
  tcp.on('data', data => {
    const chunk = rest.length === 0 ? data : Buffer.concat([rest, data])
    tcp.cork()
    rest = chunk.subarray(frames(chunk, tcp))
    tcp.uncork()
    fanOut()
  })
  tcp.on('error', () => tcp.destroy())
  tcp.on('close', () => followers.delete(tcp))
})

function frames(chunk, tcp) {
  let at = 0
  while (at + 14 <= chunk.length) {
    let length = chunk[at + 1] & 0x7f
    let start = at + 6
    if (length === 126) {
      length = chunk.readUInt16BE(at + 2)
      start = at + 8
    }
    if (start + length > chunk.length) break
    const body = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) body[i] = chunk[start + i] ^ chunk[start - 4 + (i & 3)]
    answer(body, tcp)
    at = start + length
  }
  return at
}

function answer(body, tcp) {
  if (body[2] === 0x45) {
    const at = body.indexOf('"id":"', 0, 'latin1') + 6
    tcp.write(textFrame(`["OK","${body.latin1Slice(at, at + 64)}",true,""]`))
    if (followers.size > 0) news.push(textFrame(`["EVENT","live",${body.latin1Slice(9, body.length)}`))
  } else if (body[2] === 0x52) {
    const live = body.indexOf('"live"') > 0
    if (live) followers.add(tcp)
    tcp.write(live ? none : body.indexOf('"once"') > 0 ? oncePage : page)
  }
}

/** One write per follower for all that one read brought. */
function fanOut() {
  if (news.length === 0) return
  const messages = Buffer.concat(news)
  news = []
  for (const follower of followers) follower.write(messages)
}

server.listen(0, '127.0.0.1', () =>
  console.log(JSON.stringify({ listening: `ws://127.0.0.1:${server.address().port}` })),
)
process.once('disconnect', () => process.exit())
