import type { IncomingMessage } from 'node:http'
import { reason } from '../../protocol/reasons.ts'
import { fail, ok, type Result } from '../../protocol/result.ts'
import type { Peer } from '../policy/policy.ts'
import type { HttpAuth } from './nip98.ts'
import { type Reply, refusal } from './reply.ts'

/** One request as handlers see it, its body read and within its limit. */
export interface HttpRequest {
  readonly method: string
  /** Path and query as they were sent. */
  readonly target: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Uint8Array
  readonly peer: Peer
  /** Aborted when the client is gone. */
  readonly gone: AbortSignal
}

export type Handler = (request: HttpRequest) => Reply | Promise<Reply>

export const pathOf = (target: string): string => target.split('?', 1)[0] ?? ''

/** Reads a body. Undefined if it is longer than `limit`; the rest is then thrown away. Rejects if the client leaves. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > limit) {
    request.resume()
    return undefined
  }
  const chunks: Uint8Array[] = []
  let length = 0
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Uint8Array) => {
      length += chunk.length
      if (length <= limit) chunks.push(chunk)
      else {
        chunks.length = 0
        resolve(undefined)
      }
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', reject)
    request.on('close', () => reject(new Error('the client left')))
  })
}

/** The keys a request proves: none without Authorization. A token that does not hold refuses the request, also where none is needed. */
export async function authenticate(
  { headers, method, target, body, peer }: HttpRequest,
  auth: HttpAuth,
): Promise<Result<readonly string[], Reply>> {
  const { authorization } = headers
  if (authorization === undefined) return ok([])
  const key = await auth.verify({ authorization, method, target, body, peer })
  return key.ok ? ok([key.value]) : fail(refusal(key.error))
}

/** The body as JSON, or the reason why not. */
export function readJson(body: Uint8Array): Result<unknown> {
  try {
    return ok(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)))
  } catch {
    return fail(reason('invalid', 'the body is not JSON in UTF-8'))
  }
}
