import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { FrameWriters } from '../platform/frame-writer.ts'
import { hostAllowed, originAllowed } from '../platform/origin.ts'
import type { Socket, SocketEvents } from '../platform/socket.ts'
import type { Timers } from '../platform/timers.ts'
import { SEQ_SUBPROTOCOL } from '../protocol/hints.ts'
import type { Limits } from '../protocol/limits.ts'
import { parseReason } from '../protocol/reasons.ts'
import { DEFLATE } from './deflate.ts'
import { chooseDeflate } from './extensions.ts'
import { isHandshake, refuseHandshake, refuseHeaders, upgradeRequired, wantsWebSocket } from './handshake.ts'
import type { AnswerHttp } from './http/router.ts'
import { PeerSocket, type PeerSockets } from './peer-socket.ts'
import { pingInTurns } from './pings.ts'
import { peerOf, type Reach } from './policy/peer.ts'
import type { Peer } from './policy/policy.ts'
import { refuse, sendRefusal, type UpgradeRefusal } from './refuse-upgrade.ts'

/** Chunks that one message may arrive in, as the network cuts it. */
const MAX_CHUNKS = 4_096
/** Node looks for slow headers this often; by itself only twice a minute. */
const SLOW_CHECK_MS = 500
/** TCP connections above the limit on open ones, so that a refusal can be told. */
const SPARE_CONNECTIONS = 100
const CLOSE_MS = 2_000

export interface ServerOptions {
  readonly host: string
  readonly port: number
  readonly limits: Limits
  readonly reach: Reach
  /** Exact `Origin` values a browser page may have while the relay is for this machine only. Asked at each upgrade. */
  readonly allowOrigins: () => readonly string[]
  /** Compress for clients that ask for it. */
  readonly deflate: boolean
  readonly timers: Timers
  /** The reason why this peer may not connect, or undefined. */
  readonly refuse: (peer: Peer) => string | undefined
  readonly accept: (socket: Socket, peer: Peer) => SocketEvents
  /** Answers what is no upgrade. */
  readonly answer: AnswerHttp
}

export interface RelayServer {
  /** ws://host:port as bound. */
  readonly url: string
  /** Stops listening at once; when `answered` settles, open sockets are given a moment to finish closing. */
  close(answered: Promise<void>): Promise<void>
}

/** HTTP and WebSocket on one port and one path. Rejects with the system's error if the port cannot be bound. */
export async function listen(options: ServerOptions): Promise<RelayServer> {
  const { limits, reach } = options
  // After the upgrade none of these holds any more.
  const http = createServer({
    headersTimeout: limits.handshakeMs,
    requestTimeout: limits.handshakeMs,
    connectionsCheckingInterval: SLOW_CHECK_MS,
    maxHeaderSize: limits.headerBytes,
  })
  http.maxConnections = limits.connections + SPARE_CONNECTIONS
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.frameBytes,
    perMessageDeflate: options.deflate ? DEFLATE : false,
    // We keep our own list, which costs a closure less per connection.
    clientTracking: false,
    // Without this `ws` takes the first one offered, known to us or not.
    handleProtocols: offered => (offered.has(SEQ_SUBPROTOCOL) ? SEQ_SUBPROTOCOL : false),
    WebSocket: PeerSocket,
    // Known to ws since 8.21, not yet to its type package.
    ...({ maxFragments: limits.fragments, maxBufferedChunks: MAX_CHUNKS, closeTimeout: CLOSE_MS } as object),
  })
  const open = new Set<PeerSocket>()
  const peers: PeerSockets = { open, writers: new FrameWriters(), controlFrames: limits.controlFrames }
  const serve = (request: IncomingMessage, response: ServerResponse) =>
    options.answer(request, response, { peer: peerOf(request, reach), local: reach.local })
  http.on('request', (request, response) => {
    const unclear = refuseHeaders(request)
    if (!unclear && (pathOf(request) !== '/' || !isHandshake(request))) return serve(request, response)
    // A proxy that passes on neither Upgrade nor Connection is the usual cause.
    const { status, why, headers } = unclear ?? upgradeRequired(STRIPPED)
    response.writeHead(status, { ...headers, 'content-type': 'text/plain; charset=utf-8' }).end(`${why}\n`)
  })
  const refusalOf = (request: IncomingMessage, peer: Peer): UpgradeRefusal | undefined => {
    const unclear = refuseHeaders(request)
    if (unclear !== undefined) return unclear
    if (pathOf(request) !== '/') return refuse(404, 'not found; the relay is at /')
    const malformed = refuseHandshake(request)
    if (malformed !== undefined) return malformed
    const { host, origin } = request.headers
    if (!hostAllowed(host, reach.local)) return refuse(403, WRONG_HOST)
    if (!originAllowed(origin, reach.local, options.allowOrigins())) return refuse(403, WRONG_ORIGIN)
    const why = options.refuse(peer)
    if (why === undefined) return undefined
    const retry = /try again in (\d+) s/.exec(why)?.[1]
    const status = parseReason(why).prefix === 'rate-limited' ? 429 : 403
    return refuse(status, why, retry === undefined ? {} : { 'retry-after': retry })
  }
  http.on('upgrade', (request, stream, head) => {
    // Node takes its own listener away before this; a reset by the peer would otherwise end the process.
    stream.on('error', destroyThis)
    // A server may pass over an Upgrade that it does not speak, like h2c (RFC 9110 §7.8).
    if (!isHandshake(request) && isBodiless(request)) {
      const response = new ServerResponse(request)
      response.shouldKeepAlive = false
      response.assignSocket(stream as TcpSocket)
      response.once('finish', () => stream.end())
      return serve(request, response)
    }
    const peer = peerOf(request, reach)
    const refusal = refusalOf(request, peer)
    if (refusal !== undefined) return sendRefusal(stream, refusal)
    const { headers } = request
    if (wantsWebSocket(headers.upgrade)) headers.upgrade = 'websocket'
    if (options.deflate && headers['sec-websocket-extensions'] !== undefined) {
      const chosen = chooseDeflate(headers['sec-websocket-extensions'])
      if (chosen === undefined) return sendRefusal(stream, refuse(400, 'Sec-WebSocket-Extensions is malformed'))
      if (chosen === '') delete headers['sec-websocket-extensions']
      else headers['sec-websocket-extensions'] = chosen
    }
    sockets.handleUpgrade(request, stream, head, socket => {
      socket.attach(stream, peers)
      socket.listen(options.accept(socket, peer))
    })
  })
  sockets.on('wsClientError', (error, stream) => sendRefusal(stream, refuse(400, error.message)))
  const stopPings = pingInTurns(options.timers, open)

  await bind(http, options)
  http.on('error', () => {})
  const { port } = http.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `ws://${host}:${port}`,
    async close(answered) {
      stopPings()
      const closed = new Promise<void>(resolve => http.close(() => resolve()))
      http.closeIdleConnections()
      await answered.catch(() => {})
      await allClosed(open, options.timers)
      http.closeAllConnections()
      await closed
    },
  }
}

function bind(http: Server, { host, port }: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, host, () => {
      http.off('error', reject)
      resolve()
    })
  })
}

const WRONG_HOST = 'blocked: this relay is for this machine only; to serve a name, configure it as a public URL'
const WRONG_ORIGIN = 'blocked: this relay is for this machine only, and this Origin is not on its list'

const STRIPPED =
  'this is a WebSocket handshake without "Upgrade: websocket" and "Connection: Upgrade"; a proxy in between must pass both on'

function destroyThis(this: Duplex): void {
  this.destroy()
}

const isBodiless = ({ method }: IncomingMessage): boolean =>
  method === 'GET' || method === 'HEAD' || method === 'OPTIONS'

const pathOf = (request: IncomingMessage): string => (request.url ?? '/').split('?')[0] ?? '/'

/** Waits for closing handshakes; whoever does not answer in time is dropped. */
async function allClosed(open: ReadonlySet<PeerSocket>, timers: Timers): Promise<void> {
  const pending = [...open].map(socket => new Promise<void>(resolve => socket.once('close', () => resolve())))
  const cancel = timers.after(CLOSE_MS, () => {
    for (const socket of open) socket.terminate()
  })
  await Promise.all(pending)
  cancel()
}
