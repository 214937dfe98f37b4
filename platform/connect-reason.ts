import { own } from '../protocol/json.ts'

const TRUST = 'If it is yours, name the certificate’s file in NODE_EXTRA_CA_CERTS'
const UNTRUSTED = `its TLS certificate comes from an authority that this machine does not trust. ${TRUST}`

/** What a failed connection means, by the code of the error that Node gives. The code stays in the text: it can be looked up. */
const BY_CODE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it hung up while connecting',
  EPIPE: 'it hung up while connecting',
  ENOTFOUND: 'no such host name (DNS)',
  EAI_AGAIN: 'the host name cannot be looked up now (DNS): is the network there?',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ENETDOWN: 'the network is down',
  EPERM: 'this machine does not allow the connection',
  EACCES: 'this machine does not allow the connection',
  EADDRNOTAVAIL: 'this machine has no free port, or no such address',
  EMFILE: 'this process has too many files open',
  EPROTO: 'it does not speak TLS there: write ws:// instead of wss://, or another port',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS there: write ws:// instead of wss://, or another port',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS there: write ws:// instead of wss://, or another port',
  CERT_HAS_EXPIRED:
    'its TLS certificate has expired: its operator has to renew it, or the clock of this machine is ahead',
  CERT_NOT_YET_VALID: 'its TLS certificate is not valid yet: is the clock of this machine right?',
  DEPTH_ZERO_SELF_SIGNED_CERT: `its TLS certificate is signed by itself, so it proves nothing. ${TRUST}`,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `its TLS certificate comes without the certificates of its authority, or from one that this machine does not trust. ${TRUST}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its TLS certificate is for another host name: write the name that it is for',
}

const HTTP_ANSWER = /^Unexpected server response: (\d{3})$/

/** Why a WebSocket could not be opened, in words. `url` as it was dialled. */
export function connectReason(error: Error & { readonly code?: unknown }, url: string): string {
  const status = Number(HTTP_ANSWER.exec(error.message)?.[1])
  if (status > 0) return httpReason(status, url)
  const code = typeof error.code === 'string' ? error.code : ''
  // Both families were tried: the parts say why.
  const inner = error instanceof AggregateError ? (error.errors[0] as { code?: unknown } | undefined)?.code : undefined
  const known = own(BY_CODE, code) ?? (typeof inner === 'string' ? own(BY_CODE, inner) : undefined)
  if (known !== undefined) return `${known} (${code || inner})`
  if (code.startsWith('HPE_') || /Parse Error/i.test(error.message)) return 'what listens there does not speak HTTP'
  if (/handshake has timed out/.test(error.message)) return 'it took the connection and did not answer within 10 s'
  if (/socket hang up/.test(error.message)) return 'it hung up without an answer'
  return error.message || code || 'unknown'
}

function httpReason(status: number, url: string): string {
  if (status >= 300 && status < 400)
    return url.startsWith('ws:')
      ? `it redirects (HTTP ${status}): write wss:// instead of ws://`
      : `it redirects (HTTP ${status}): no relay at this address`
  if (status === 401 || status === 403) return `it refuses the connection (HTTP ${status})`
  if (status === 404) return 'there is no relay at this address (HTTP 404)'
  if (status === 429) return 'it has too many connections from this address (HTTP 429)'
  if (status >= 500) return `it, or a proxy in front of it, is out of order (HTTP ${status})`
  return `what listens there is no relay (HTTP ${status})`
}
