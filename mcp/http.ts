import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { hostName, originAllowed, originHost } from '../platform/origin.ts'
import { watchChanges } from './changes.ts'
import type { Post } from './post.ts'
import { createMcpServer } from './server.ts'

export interface McpHttpOptions {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** What callers must show as `Authorization: Bearer …`. Must be there unless `host` is this machine's own. */
  readonly token?: string | undefined
  /** Names under which the server is reached, beside the loopback ones and `host`: for the Host and Origin checks. */
  readonly names?: readonly string[]
}

export interface McpHttp {
  readonly url: string
  close(): Promise<void>
}

export const MCP_PATH = '/mcp'
const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]']
const MAX_BODY = 1_048_576
const HEADERS_MS = 10_000
/** For a whole request, its body too. */
const REQUEST_MS = 30_000
/** Node looks for slow requests this often; by itself every half minute. */
const SLOW_CHECK_MS = 2_000
const MAX_CONNECTIONS = 256
/** Requests whose body is still coming. They hold up to 1 MiB each. */
const MAX_READING = 32

export const isLoopbackHost = (host: string): boolean => LOOPBACK.includes(host) || host === '::1'

/** Streamable HTTP on one path. Checks Host, Origin and token before a body is read. */
export async function serveMcpHttp(post: Post, { host, port, token, names = [] }: McpHttpOptions): Promise<McpHttp> {
  const handler = createMcpHandler(({ era }) => createMcpServer(post, { era, notify: false }), {
    maxRequestBodySize: MAX_BODY,
  })
  const stopWatching = watchChanges(post, ({ uris, isListChanged }) => {
    for (const uri of uris) handler.notify.resourceUpdated(uri)
    if (isListChanged) handler.notify.resourcesChanged()
  })
  const answer = toNodeHandler(handler, { maxRequestBodySize: MAX_BODY })
  const allowed = [...LOOPBACK, ...(isLoopbackHost(host) ? [] : [bracketed(host)]), ...names]
  const isNamed = (name: string | undefined) => name !== undefined && allowed.includes(name)
  let reading = 0

  const server = createServer(
    { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: SLOW_CHECK_MS },
    (request, response) => {
      const { host: asked, origin } = request.headers
      if (!isNamed(hostName(asked)))
        return refuse(response, hostName(asked) === undefined ? 400 : 403, 'this Host is not served here')
      if (!isNamed(originHost(origin)) && !originAllowed(origin, true, []))
        return refuse(response, 403, 'this Origin is not allowed')
      if (token !== undefined && !bears(request, token)) return refuse(response, 401, 'a bearer token is needed')
      // Cut, not parsed: `//` is no URL, and a throw here would end the process.
      if (request.url?.split('?', 1)[0] !== MCP_PATH) return refuse(response, 404, `MCP is at ${MCP_PATH}`)
      if (reading >= MAX_READING) return refuse(response, 503, 'too many requests are still being sent; try again')
      reading += 1
      let isReading = true
      const read = () => {
        if (isReading) reading -= 1
        isReading = false
      }
      request.once('end', read).once('close', read)
      // The adapter types absent fields as missing ones.
      void answer(request as Parameters<typeof answer>[0], response)
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${bracketed(host)}:${bound}${MCP_PATH}`,
    async close() {
      stopWatching()
      await handler.close()
      server.closeAllConnections()
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}

const bracketed = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host)

/** Compared as hashes, which have one length and take one time. */
function bears(request: IncomingMessage, token: string): boolean {
  const [, given = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  const hash = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(given), hash(token))
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    connection: 'close',
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
  })
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32_000, message } }))
}
