import { isRecord, own } from '../../protocol/json.ts'
import { reason } from '../../protocol/reasons.ts'
import { CallError, createMethods, type ManagementHost } from './methods.ts'
import type { HttpAuth } from './nip98.ts'
import { json, type Reply, refusal } from './reply.ts'
import { type Handler, readJson } from './request.ts'

export const RPC_TYPE = 'application/nostr+json+rpc'

/** NIP-86: management calls by an owner's key, signed with the hash of the call. */
export function createManage(host: ManagementHost, auth: HttpAuth): Handler {
  const methods = createMethods(host)
  return async ({ headers, method, target, body, peer }) => {
    if (headers.authorization === undefined)
      return refuse(reason('auth-required', 'management calls carry a NIP-98 token of an owner'))
    if (body.length === 0) return refuse(reason('invalid', 'a call is a JSON object with method and params'))
    const key = await auth.verify({ authorization: headers.authorization, method, target, body, peer })
    if (!key.ok) return refuse(key.error)
    if (!host.admission.membership.isOwner(key.value))
      return refuse(reason('restricted', 'this key does not own this relay'))
    const call = readJson(body)
    if (!call.ok) return refuse(call.error)
    if (!isRecord(call.value)) return refuse(reason('invalid', 'a call is a JSON object with method and params'))
    const name = own(call.value, 'method')
    const params = own(call.value, 'params') ?? []
    if (!Array.isArray(params)) return json(200, { error: 'params is an array' })
    if (name === 'supportedmethods') return json(200, { result: Object.keys(methods) })
    const run = typeof name === 'string' && Object.hasOwn(methods, name) ? methods[name] : undefined
    if (run === undefined) return json(200, { error: 'this relay has no such method; ask for supportedmethods' })
    try {
      return json(200, { result: await run(params) })
    } catch (error) {
      if (error instanceof CallError) return json(200, { error: error.message })
      throw error
    }
  }
}

const refuse = (message: string): Reply => refusal(message, { error: message })
