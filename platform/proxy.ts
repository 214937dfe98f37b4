import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import type { Agent, ClientRequest } from 'node:http'
import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'
import { isPublicAddress, isPublicHost } from './address-class.ts'
import { systemTimers } from './timers.ts'

/** What of the library's agent is used. */
interface TunnelAgent extends Agent {
  connect(request: ClientRequest, options: { readonly host?: string }): Promise<Duplex>
}

/** Loaded where it is used: few processes have a proxy. */
const load = createRequire(import.meta.url)

/** This machine is reached directly, whatever the environment says, unless this is set (to anything but an empty text). */
export const PROXY_LOOPBACK = 'POSTHORN_PROXY_LOOPBACK'

const NAMES = ['HTTP', 'HTTPS', 'ALL'].map(name => `${name}_PROXY`).flatMap(name => [name, name.toLowerCase()])

/** A proxy of the environment, for one address. */
export interface ProxyChoice {
  /** With name and password, if it has them: never to be shown. */
  readonly url: URL
  /** Without them: for people. */
  readonly name: string
}

/**
 * The proxy that the environment names for an address (ws, wss, http, https): HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in small
 * letters too. Undefined: none. Throws if it is none that can be used.
 */
export function proxyFor(address: string): ProxyChoice | undefined {
  const url = new URL(address.replace(/^ws/, 'http'))
  if (!NAMES.some(name => process.env[name])) return undefined
  if (isLoopbackName(url.hostname) && !process.env[PROXY_LOOPBACK]) return undefined
  const { getProxyForUrl } = load('proxy-from-env') as { getProxyForUrl(url: URL): string }
  const text = getProxyForUrl(url)
  if (!text) return undefined
  // Not in a message: it may hold a password.
  if (!URL.canParse(text))
    throw new Error('the proxy of the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) is no URL')
  const proxy = new URL(text)
  const name = `${proxy.protocol}//${proxy.host}`
  if (proxy.protocol !== 'http:' && proxy.protocol !== 'https:')
    throw new Error(
      `the proxy ${name} is no HTTP proxy; name one that is (http://host:port), or exclude this host by NO_PROXY`,
    )
  return { url: proxy, name }
}

/** How a connection is made: through the proxy of the environment, or directly. Spread into the options of `ws` and `node:http`. */
export function routeTo(
  address: string,
  publicOnly: boolean,
): { readonly proxy?: string; readonly agent?: TunnelAgent } {
  const choice = proxyFor(address)
  return choice === undefined ? {} : { proxy: choice.name, agent: tunnelThrough(choice, publicOnly) }
}

/** A name server that does not answer is one that cannot look the name up. */
const LOOKUP_MS = 2_000

function tunnelThrough({ url, name }: ProxyChoice, publicOnly: boolean): TunnelAgent {
  const { HttpsProxyAgent: Tunnel } = load('https-proxy-agent') as {
    HttpsProxyAgent: new (url: string, options: { keepAlive: boolean }) => TunnelAgent
  }
  const agent = new Tunnel(url.href, { keepAlive: false })
  const connect = agent.connect.bind(agent)
  agent.connect = async (request: ClientRequest, options: { readonly host?: string }) => {
    if (publicOnly) await checkName(options.host ?? '')
    let status: number | undefined
    request.once('proxyConnect', (answer: { readonly statusCode: number }) => {
      status = answer.statusCode
    })
    const socket = await connect(request, options).catch((error: Error & { code?: unknown }) => {
      const why = typeof error.code === 'string' ? error.code : error.message
      throw new Error(`the proxy ${name} cannot be reached (${why})`, { cause: error })
    })
    if (status === 200) return socket
    // What it sends instead of a tunnel is no answer of the relay.
    socket.destroy()
    throw new Error(refusal(name, status ?? 0))
  }
  return agent
}

function refusal(name: string, status: number): string {
  if (status === 407)
    return `the proxy ${name} wants a name and a password, or refuses those it got (HTTP 407): put them into its URL, http://name:password@host:port`
  if (status === 403) return `the proxy ${name} does not allow this address (HTTP 403)`
  return `the proxy ${name} made no connection (HTTP ${status})`
}

/**
 * A proxy looks names up itself. What this machine knows to be a private address is not asked for; where it cannot look the name up, as in
 * networks that leave it to the proxy, the proxy decides.
 */
async function checkName(host: string): Promise<void> {
  if (!isPublicHost(host)) throw new Error(`${host} is not on the public internet`)
  const found = await new Promise<LookupAddress[]>(resolve => {
    const cancel = systemTimers.after(LOOKUP_MS, () => resolve([]), { background: true })
    lookup(host, { all: true })
      .then(resolve, () => resolve([]))
      .finally(cancel)
  })
  if (found.some(({ address }) => !isPublicAddress(address))) throw new Error(`${host} is not on the public internet`)
}

const isLoopbackName = (hostname: string): boolean =>
  /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1\]|\[::\])\.?$/i.test(hostname)
