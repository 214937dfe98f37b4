import { hash } from 'node:crypto'
import { cutEncodedEvent } from '../protocol/encoded-event.ts'
import { hasValidId, parseEvent } from '../protocol/event.ts'
import { parseJson } from '../protocol/json.ts'
import type { Curve } from './curve.ts'

/** Whether an event's text, as `encodeEvent` wrote it, has the right id and signature. Never throws. Not for two threads. */
export function createEventChecker(curve: Curve): (json: string) => boolean {
  const sig = Buffer.alloc(64)
  const id = Buffer.alloc(32)
  const pubkey = Buffer.alloc(32)
  return json => {
    const cut = cutEncodedEvent(json)
    if (cut === undefined) return false
    if (hash('sha256', cut.idText) !== cut.id && !hashesVerbatim(json)) return false
    sig.write(cut.sig, 'hex')
    id.write(cut.id, 'hex')
    pubkey.write(cut.pubkey, 'hex')
    return curve.verify(sig, id, pubkey)
  }
}

/** Rare: the id was made by hashing control characters as they are (docs/protocol.md, "Event ids"). */
function hashesVerbatim(json: string): boolean {
  const value = parseJson(json)
  const event = value.ok ? parseEvent(value.value) : value
  return event.ok && hasValidId(event.value)
}
