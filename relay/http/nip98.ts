import { createHash } from 'node:crypto'
import type { Clock } from '../../platform/clock.ts'
import type { Verifier } from '../../platform/verifier.ts'
import { type NostrEvent, parseEvent, tagValue } from '../../protocol/event.ts'
import { parseJson } from '../../protocol/json.ts'
import { HTTP_AUTH } from '../../protocol/kinds.ts'
import type { Limits } from '../../protocol/limits.ts'
import { reason } from '../../protocol/reasons.ts'
import { fail, ok, type Result } from '../../protocol/result.ts'
import type { Peer } from '../policy/policy.ts'
import { chargedAs } from '../policy/rates.ts'
import { TokenBuckets } from '../policy/token-buckets.ts'

/** A token may be this far from the relay's clock (NIP-98). */
const WINDOW_S = 60
/** Tokens remembered until they are too old to be used again; above it new ones wait. */
const REMEMBERED = 20_000

/** What a token has to fit. */
export interface SignedRequest {
  readonly peer: Peer
  /** The Authorization header. */
  readonly authorization: string
  readonly method: string
  /** Path and query as they were sent. */
  readonly target: string
  readonly body: Uint8Array
}

export interface HttpAuthOptions {
  readonly verifier: Verifier
  /** The relay's own URLs, normalised; from configuration, never from headers. */
  readonly urls: ReadonlySet<string>
  /** Seconds. */
  readonly now: () => number
  readonly clock: Clock
  readonly limits: Limits
}

/** NIP-98: who signed this request. Each token is good for one request. */
export class HttpAuth {
  readonly #options: HttpAuthOptions
  /** Signatures checked on demand of an address: the key is not known before. */
  readonly #checks: TokenBuckets
  /** Token id → the second from which it would be refused by its age anyway, in order of arrival. */
  readonly #used = new Map<string, number>()

  constructor(options: HttpAuthOptions) {
    this.#options = options
    const { clock, limits } = options
    this.#checks = new TokenBuckets({ burst: limits.requestBurst, perMinute: limits.requestsPerMinute, clock })
  }

  /** Resolves to the key, or to the reason of a refusal. */
  async verify(request: SignedRequest): Promise<Result<string>> {
    const token = readToken(request.authorization)
    if (!token.ok) return fail(reason('auth-required', token.error))
    const event = token.value
    const mismatch = this.#mismatch(event, request)
    if (mismatch !== undefined) return fail(reason('auth-required', mismatch))
    const wait = request.peer.unthrottled ? 0 : this.#checks.take(chargedAs({ ...request.peer, keys: [] }))
    if (wait > 0) return fail(reason('rate-limited', `too many tokens; try again in ${wait} s`))
    const [valid] = await this.#options.verifier.verify([event])
    if (valid !== true) return fail(reason('auth-required', 'the signature does not fit the token'))
    return this.#use(event)
  }

  #mismatch(event: NostrEvent, { method, target, body }: SignedRequest): string | undefined {
    const { urls, now } = this.#options
    if (urls.size === 0) return 'this relay does not know its public URL, so nobody can authenticate over HTTP'
    if (event.kind !== HTTP_AUTH) return `a token is kind ${HTTP_AUTH}`
    if (Math.abs(event.created_at - now()) > WINDOW_S)
      return `created_at is more than ${WINDOW_S} s off; check your clock`
    if (tagValue(event, 'method') !== method) return 'the token is for another method'
    if (!absoluteForms(urls, target).has(tagValue(event, 'u') ?? '')) return 'the token is for another URL'
    const payload = tagValue(event, 'payload')
    if (payload === undefined) return body.length === 0 ? undefined : 'a request with a body needs a payload tag'
    return payload === sha256Hex(body) ? undefined : 'the payload tag is not the hash of the body'
  }

  /** Nothing is awaited between the look and the mark, so of two copies one is first. */
  #use({ id, pubkey }: NostrEvent): Result<string> {
    const now = this.#options.now()
    for (const [old, until] of this.#used) {
      if (until >= now) break
      this.#used.delete(old)
    }
    if (this.#used.has(id))
      return fail(
        reason(
          'auth-required',
          'the token has been used. Each is good for one request: a second one for the same URL within the second needs another created_at, or a tag of its own',
        ),
      )
    if (this.#used.size >= REMEMBERED)
      return fail(reason('rate-limited', `too many tokens at once; try again in ${WINDOW_S} s`))
    // A token dated ahead by the whole window lives this long.
    this.#used.set(id, now + 2 * WINDOW_S)
    return ok(pubkey)
  }
}

/** `Nostr <base64 of the event's JSON>`. */
function readToken(authorization: string): Result<NostrEvent> {
  const [, base64] = /^nostr +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization.trim()) ?? []
  if (base64 === undefined) return fail('Authorization is the word Nostr and a base64 token')
  const json = parseJson(Buffer.from(base64, 'base64').toString('utf8'))
  return json.ok ? parseEvent(json.value) : fail('the token is not the base64 of an event')
}

/** All that `u` may say: our URLs as http(s) with path and query; of the relay itself also as it is dialled (NIP-86). */
function absoluteForms(urls: ReadonlySet<string>, target: string): ReadonlySet<string> {
  const forms = new Set<string>()
  for (const url of urls) {
    const http = url.replace(/^ws/, 'http')
    forms.add(http + target)
    if (target === '/') forms.add(http).add(url).add(`${url}/`)
  }
  return forms
}

const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
