import { parseEvent } from '../../protocol/event.ts'
import { reason } from '../../protocol/reasons.ts'
import type { HttpHost } from './host.ts'
import type { HttpAuth } from './nip98.ts'
import { json, type Reply, refusal } from './reply.ts'
import { authenticate, type Handler, readJson } from './request.ts'

/** POST /event: one signed event, the way of an EVENT frame. The key of the token counts as authenticated. */
export const createPublish =
  ({ ingest }: HttpHost, auth: HttpAuth): Handler =>
  async request => {
    const keys = await authenticate(request, auth)
    if (!keys.ok) return keys.error
    const body = readJson(request.body)
    if (!body.ok) return refuse(body.error)
    const event = parseEvent(body.value)
    if (!event.ok) return refuse(reason('invalid', event.error))
    return new Promise(resolve => {
      ingest.push(event.value, { ...request.peer, keys: keys.value }, (accepted, message) =>
        resolve(accepted ? json(200, { accepted, message }) : refuse(message)),
      )
    })
  }

const refuse = (message: string): Reply => refusal(message, { accepted: false, message })
