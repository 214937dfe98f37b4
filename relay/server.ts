import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Socket, SocketEvents } from '../platform/socket.ts'
import { every, type Timers } from '../platform/timers.ts'
import { CLOSE } from '../protocol/close-codes.ts'
import { isLoopback, originAllowed } from './origin.ts'

/** Peers that miss this many pings in a row are gone. */
const PING_MS = 25_000
const MISSED_PINGS = 2
/** Header limits end with the upgrade; before it they are all that stands against slow-header floods. */
const HEADERS_MS = 10_000
const MAX_HEADER_BYTES = 8_192
/** Fragments of one message, and chunks it may arrive in (CVE-2026-48779: memory exhaustion by tiny fragments). */
const MAX_FRAGMENTS = 64
const MAX_CHUNKS = 4_096
const CLOSE_MS = 2_000

export interface ServerOptions {
  readonly host: string
  readonly port: number
  readonly maxFrameBytes: number
  /** Exact `Origin` values a browser page may have; relevant while bound to loopback, see docs/protocol.md. */
  readonly allowOrigins: readonly string[]
  readonly timers: Timers
  readonly accept: (socket: Socket) => SocketEvents
  /** The NIP-11 document. */
  readonly info: () => unknown
}

export interface RelayServer {
  /** ws://host:port as bound. */
  readonly url: string
  /** Stops listening at once; when `answered` settles, open sockets are given a moment to finish closing. */
  close(answered: Promise<void>): Promise<void>
}

/** HTTP and WebSocket on one port and one path. Rejects with the system's error if the port cannot be bound. */
export async function listen(options: ServerOptions): Promise<RelayServer> {
  const http = createServer({ headersTimeout: HEADERS_MS, requestTimeout: HEADERS_MS, maxHeaderSize: MAX_HEADER_BYTES })
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxFrameBytes,
    perMessageDeflate: false,
    // Known to ws since 8.21, not yet to its type package.
    ...({ maxFragments: MAX_FRAGMENTS, maxBufferedChunks: MAX_CHUNKS, closeTimeout: CLOSE_MS } as object),
  })
  const loopbackOnly = isLoopback(options.host)
  http.on('request', (request, response) => answerHttp(request, response, options))
  http.on('upgrade', (request, stream, head) => {
    // Node takes its own listener away before this; a reset by the peer would otherwise end the process.
    stream.on('error', () => stream.destroy())
    if (pathOf(request) !== '/') return refuseUpgrade(stream, '404 Not Found')
    if (!originAllowed(request.headers.origin, loopbackOnly, options.allowOrigins))
      return refuseUpgrade(stream, '403 Forbidden')
    sockets.handleUpgrade(request, stream, head, socket => attach(socket, options))
  })
  sockets.on('wsClientError', (_error, stream) => stream.destroy())
  const stopPings = every(options.timers, PING_MS, () => {
    for (const socket of sockets.clients) pingOrDrop(socket)
  })

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
      await allClosed(sockets, options.timers)
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

const missedPings = new WeakMap<WebSocket, number>()

function pingOrDrop(socket: WebSocket): void {
  const missed = missedPings.get(socket) ?? 0
  if (missed >= MISSED_PINGS) return socket.terminate()
  missedPings.set(socket, missed + 1)
  socket.ping()
}

function attach(socket: WebSocket, { accept }: ServerOptions): void {
  const events = accept({
    send: text =>
      socket.send(text, error => {
        if (!error) events.onDrain?.()
      }),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    get unsentBytes() {
      return socket.bufferedAmount
    },
  })
  socket.on('pong', () => missedPings.delete(socket))
  socket.on('message', (data, isBinary) => {
    if (isBinary) return socket.close(CLOSE.unsupportedData, 'text frames only')
    events.onText(data.toString())
  })
  // The close event follows; without a listener an error would end the process.
  socket.on('error', () => {})
  socket.on('close', (code, reason) => events.onClose(code, reason.toString()))
}

const NOSTR_JSON = 'application/nostr+json'
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'content-type, accept, authorization',
  'access-control-allow-methods': 'GET, OPTIONS',
}

function answerHttp(request: IncomingMessage, response: ServerResponse, options: ServerOptions): void {
  const send = (status: number, type: string, body: string) => {
    response.writeHead(status, { ...CORS, 'content-type': type, 'x-content-type-options': 'nosniff' }).end(body)
  }
  request.resume()
  if (request.method === 'OPTIONS') return send(204, 'text/plain', '')
  if (pathOf(request) !== '/') return send(404, 'text/plain; charset=utf-8', 'Not found. The relay is at /\n')
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return send(405, 'text/plain; charset=utf-8', 'Only GET here. Events go over the WebSocket.\n')
  if (request.headers.accept?.includes(NOSTR_JSON)) return send(200, NOSTR_JSON, JSON.stringify(options.info()))
  send(
    200,
    'text/plain; charset=utf-8',
    'This is a posthorn relay: connect with a WebSocket, or ask for application/nostr+json.\n',
  )
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '/').split('?')[0] ?? '/'

function refuseUpgrade(stream: Duplex, status: string): void {
  stream.once('finish', () => stream.destroy())
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

/** Waits for closing handshakes; whoever does not answer in time is dropped. */
async function allClosed(sockets: WebSocketServer, timers: Timers): Promise<void> {
  const pending = [...sockets.clients].map(
    socket => new Promise<void>(resolve => socket.once('close', () => resolve())),
  )
  const cancel = timers.after(CLOSE_MS, () => {
    for (const socket of sockets.clients) socket.terminate()
  })
  await Promise.all(pending)
  cancel()
}
