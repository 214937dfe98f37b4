import type { IncomingHttpHeaders } from 'node:http'
import { clientAddress, isForwarded, type TrustedProxies } from '../address.ts'
import type { Peer } from './policy.ts'

/** How a relay can be reached, by configuration. */
export interface Reach {
  /** Bound to loopback and without a public URL: for programs of this machine. */
  readonly local: boolean
  readonly isTrustedProxy: TrustedProxies
}

/** Whose request it is. A forwarded header, believed or not, shows that it does not come straight from this machine. */
export const peerOf = (
  request: { readonly headers: IncomingHttpHeaders; readonly socket: { readonly remoteAddress?: string | undefined } },
  { local, isTrustedProxy }: Reach,
): Peer => ({
  address: clientAddress(request.socket.remoteAddress, request.headers, isTrustedProxy),
  unthrottled: local && !isForwarded(request.headers),
})
