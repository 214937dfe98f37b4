import type { WebGet } from '../../platform/web-get.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { type Found, type InternetName, isLoopback } from './internet-name.ts'

const MAX_RELAYS = 4
const MAX_URL_CHARS = 256
/** Some domains give all their names at once. */
const MAX_BYTES = 1_048_576
const TIMEOUT_MS = 10_000

export interface AskDomainOptions {
  readonly get: WebGet
  /** Whether domains on this machine and in private networks may be asked. */
  readonly allowPrivate: boolean
}

/** What a domain says of one of its names (NIP-05); undefined if it knows nobody called so. Rejects with an Error that says why in a few words. */
export async function askDomain(
  { local, host }: InternetName,
  { get, allowPrivate }: AskDomainOptions,
): Promise<Found | undefined> {
  // To this machine itself TLS would protect from nobody.
  const scheme = allowPrivate && isLoopback(host) ? 'http' : 'https'
  const url = `${scheme}://${host}/.well-known/nostr.json?name=${local}`
  const answer = await get(url, { publicOnly: !allowPrivate, maxBytes: MAX_BYTES, timeoutMs: TIMEOUT_MS })
  if (answer.status !== 200 && answer.status !== 404) throw new Error(httpFault(answer.status))
  return answer.status === 404 ? undefined : readNames(answer.text, local)
}

/** The key that a `nostr.json` gives a name, and its relays; undefined if it names nobody so. Throws on what is no such document. */
export function readNames(text: string, local: string): Found | undefined {
  const json = parseJson(text)
  const names = json.ok && isRecord(json.value) ? own(json.value, 'names') : undefined
  if (!json.ok || !isRecord(json.value) || !isRecord(names)) throw new Error('the answer is no list of names')
  const pubkey = own(names, local)
  if (pubkey === undefined || pubkey === null) return undefined
  if (!isHex64(pubkey)) throw new Error('what it names is no public key')
  const all = own(json.value, 'relays')
  const relays = isRecord(all) ? own(all, pubkey) : undefined
  return {
    pubkey,
    relays: (Array.isArray(relays) ? relays : [])
      .filter((url): url is string => typeof url === 'string' && url.length <= MAX_URL_CHARS)
      .slice(0, MAX_RELAYS),
  }
}

const httpFault = (status: number): string =>
  status >= 300 && status < 400
    ? 'the domain sends elsewhere, which NIP-05 forbids to follow'
    : `the domain answered with HTTP status ${status}`
