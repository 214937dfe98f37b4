import type { IncomingMessage, ServerResponse } from 'node:http'
import { hostAllowed, originAllowed } from '../../platform/origin.ts'
import { reason } from '../../protocol/reasons.ts'
import type { Readiness } from '../health.ts'
import type { Peer } from '../policy/policy.ts'
import type { HttpHost } from './host.ts'
import { createManage, RPC_TYPE } from './manage.ts'
import type { ManagementHost } from './methods.ts'
import { HttpAuth } from './nip98.ts'
import { assetRoutes, pageText, servePage } from './page.ts'
import { createPublish } from './publish.ts'
import { json, type Reply, refusal, sendReply, text } from './reply.ts'
import { type Handler, pathOf, readBody } from './request.ts'
import { createSync } from './sync.ts'

/** Sec-Fetch-Site of what another site's page has made a browser ask. */
const FOREIGN: ReadonlySet<string> = new Set(['cross-site', 'same-site'])
const NOSTR_JSON = 'application/nostr+json'

export interface HttpOptions extends Pick<ManagementHost, 'identity' | 'retention'> {
  readonly host: HttpHost
  /** The NIP-11 document. */
  readonly info: () => object
  readonly readiness: () => Promise<Readiness>
  /** Live numbers, for anybody. */
  readonly stats: () => object
  /** Exact `Origin` values a browser page may have although the relay is for this machine only. */
  /** Asked at each request. */
  readonly allowOrigins: () => readonly string[]
}

/** Where a request came in. */
export interface Arrival {
  readonly peer: Peer
  /** The listener is for this machine only. */
  readonly local: boolean
}

export type AnswerHttp = (request: IncomingMessage, response: ServerResponse, arrival: Arrival) => void

interface Route {
  readonly handle: Handler
  readonly bodyBytes?: number
  /** Anybody may ask, from any page. */
  readonly open?: boolean
  /** For owners: a blocked address does not lock them out. */
  readonly owners?: boolean
}

/** Everything that is not a WebSocket: by path and method, then by who asks. */
export function createHttp(options: HttpOptions): AnswerHttp {
  const { host, info } = options
  const { limits, onError, timers } = host
  const auth = new HttpAuth({ ...host, now: host.source.now })
  const manage = createManage({ ...options, ...host }, auth)
  const about: Handler = request => {
    const { accept = '' } = request.headers
    if (accept.includes(NOSTR_JSON))
      return { status: 200, type: NOSTR_JSON, body: JSON.stringify(info()), headers: { vary: 'accept' } }
    if (accept.includes('text/html')) return servePage(request)
    return text(200, pageText(options.identity.current.name ?? 'posthorn'), { vary: 'accept' })
  }
  const ready: Handler = async () => {
    const readiness = await options.readiness()
    return json(readiness.ready ? 200 : 503, readiness)
  }
  const call: Handler = request =>
    mediaType(request.headers['content-type']) === RPC_TYPE
      ? manage(request)
      : json(415, { error: reason('invalid', `management calls have the content type ${RPC_TYPE}`) })
  const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
    '/': {
      GET: { handle: about, open: true },
      HEAD: { handle: about, open: true },
      POST: { handle: call, bodyBytes: limits.rpcBytes, owners: true },
    },
    // What a platform asks before it sends clients: whether the process answers, and whether mail can be taken in.
    '/healthz': { GET: { handle: () => text(200, 'ok\n', { 'cache-control': 'no-store' }), open: true, owners: true } },
    '/readyz': { GET: { handle: ready, open: true, owners: true } },
    '/stats': { GET: { handle: () => json(200, options.stats()), open: true } },
    ...Object.fromEntries(assetRoutes().map(([path, handle]) => [path, { GET: { handle, open: true } }])),
    '/event': { POST: { handle: createPublish(host, auth), bodyBytes: limits.frameBytes } },
    '/sync': { GET: { handle: createSync(host, auth) } },
  }
  let inProgress = 0

  const answer = async (
    request: IncomingMessage,
    response: ServerResponse,
    { peer, local }: Arrival,
  ): Promise<Reply> => {
    const { host: name, origin } = request.headers
    // A page with a name of its own that points here (DNS rebinding), or any other page: not on a relay for this machine.
    if (!hostAllowed(name, local)) return refusal(reason('blocked', 'this relay is for this machine only'))
    const target = request.url ?? '/'
    const path = pathOf(target)
    const methods = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (methods === undefined) return text(404, 'Not found. The relay is at /\n')
    const method = request.method ?? 'GET'
    const allow = [...Object.keys(methods), 'OPTIONS'].join(', ')
    if (method === 'OPTIONS') return { status: 204, type: 'text/plain', body: '', headers: { allow } }
    // What may be looked at may be asked for its head alone (RFC 9110 §9.3.2); `sendReply` leaves the body out.
    const served = method === 'HEAD' && !Object.hasOwn(methods, method) && methods['GET']?.open ? 'GET' : method
    const route = Object.hasOwn(methods, served) ? methods[served] : undefined
    if (route === undefined) return text(405, `Only ${allow} here.\n`, { allow })
    if (route.open !== true && !originAllowed(origin, local, options.allowOrigins()))
      return refusal(reason('blocked', 'this relay is for this machine only, and this Origin is not on its list'))
    // An image or a link on a page has no Origin, but browsers say that it comes from another site.
    if (route.open !== true && local && origin === undefined && FOREIGN.has(String(request.headers['sec-fetch-site'])))
      return refusal(
        reason('blocked', 'this relay is for this machine only, and this request comes from a page elsewhere'),
      )
    if (route.owners !== true && peer.address !== undefined && host.lists.isIpBlocked(peer.address))
      return refusal(reason('blocked', 'your address is blocked'))
    if (host.stopping.aborted) return refusal(reason('error', 'the relay is stopping'), undefined, 503)
    const body = await readBody(request, route.bodyBytes ?? 0)
    if (body === undefined) {
      const message = reason('invalid', `a body has at most ${route.bodyBytes ?? 0} bytes here`)
      return json(413, { message }, { connection: 'close' })
    }
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const query = new URLSearchParams(target.slice(path.length + 1))
    const asked = { method, target, query, headers: request.headers, body, peer, gone: gone.signal }
    const made = Promise.resolve(route.handle(asked))
    host.underway.add(made)
    return made.finally(() => host.underway.delete(made))
  }

  /** A reader that does not take its answer is dropped, as a stalled socket is. */
  const send = (request: IncomingMessage, response: ServerResponse, reply: Reply) => {
    if (response.destroyed) return
    const cancel = timers.after(limits.stalledMs, () => response.destroy(), { background: true })
    response.once('close', cancel)
    response.once('finish', cancel)
    // What a refused request still sends is thrown away; how long it may go on is bounded by the server's requestTimeout.
    request.resume()
    sendReply(response, reply, request.method !== 'HEAD')
  }

  return (request, response, arrival) => {
    if (inProgress >= limits.httpRequests)
      return send(request, response, refusal(reason('error', 'too many requests at once'), undefined, 503))
    inProgress += 1
    response.once('close', () => {
      inProgress -= 1
    })
    answer(request, response, arrival).then(
      reply => send(request, response, reply),
      error => {
        // A client that leaves in the middle of its body is not our failure.
        if (response.destroyed || request.destroyed) {
          response.destroy()
          return
        }
        onError('http', error)
        send(request, response, refusal(reason('error', 'the request could not be served; try again')))
      },
    )
  }
}

const mediaType = (header: string | undefined): string => (header ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
