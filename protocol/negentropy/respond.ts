import { ok, type Result } from '../result.ts'
import {
  type Bound,
  decodeMessage,
  END,
  FINGERPRINT_BYTES,
  ID_BYTES,
  MessageWriter,
  PROTOCOL_VERSION,
} from './message.ts'
import type { RecordSet } from './record-set.ts'

/** Ranges that a differing one is split into; below twice as many records their ids are told instead. */
const BUCKETS = 16
/** Room for what ends a message: a skip and a fingerprint with their bounds, and one range of ids too small to split. */
const RESERVE = 1_200

/**
 * The answering side of NIP-77: one message in, one out, nothing remembered in between. Never throws. `maxBytes` bounds the
 * answer; what does not fit is told as one fingerprint of the rest, which the other side comes back to. Another version of the
 * protocol is answered with ours.
 */
export function respond(set: RecordSet, message: Uint8Array, maxBytes: number): Result<Uint8Array, 'malformed'> {
  const decoded = decodeMessage(message)
  if (!decoded.ok)
    return decoded.error === 'version' ? ok(Uint8Array.of(PROTOCOL_VERSION)) : { ok: false, error: 'malformed' }
  const room = maxBytes - RESERVE
  const out = new MessageWriter()
  let lower = 0
  let lowerBound: Bound | undefined
  /** Agreed or not asked for; told only if something follows. */
  let skipping = false
  const closeSkip = () => {
    if (skipping && lowerBound !== undefined) out.add({ mode: 'skip', upper: lowerBound })
    skipping = false
  }
  const tellRest = (from: number) =>
    out.add({ mode: 'fingerprint', upper: END, fingerprint: set.fingerprint(from, set.size) })

  for (const range of decoded.value) {
    const upper = set.indexOf(range.upper, lower)
    if (range.mode === 'skip') skipping = true
    else if (range.mode === 'fingerprint' && equal(range.fingerprint, set.fingerprint(lower, upper))) skipping = true
    else {
      closeSkip()
      if (out.length >= room) {
        tellRest(lower)
        return ok(out.finish())
      }
      if (range.mode === 'fingerprint') split(set, lower, upper, range.upper, out)
      else {
        const fits = lower + Math.max(1, Math.floor((room - out.length) / ID_BYTES))
        const last = Math.min(upper, fits)
        const bound = last < upper ? set.boundBefore(last) : range.upper
        out.add({ mode: 'ids', upper: bound, ids: set.ids(lower, last) })
        if (last < upper) {
          tellRest(last)
          return ok(out.finish())
        }
      }
    }
    lower = upper
    lowerBound = range.upper
  }
  return ok(out.finish())
}

function split(set: RecordSet, from: number, to: number, end: Bound, out: MessageWriter): void {
  const count = to - from
  if (count < BUCKETS * 2) return out.add({ mode: 'ids', upper: end, ids: set.ids(from, to) })
  let start = from
  for (let bucket = 1; bucket <= BUCKETS; bucket += 1) {
    const next = from + Math.floor((count * bucket) / BUCKETS)
    const upper = next === to ? end : set.boundBefore(next)
    out.add({ mode: 'fingerprint', upper, fingerprint: set.fingerprint(start, next) })
    start = next
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < FINGERPRINT_BYTES; index += 1) if (a[index] !== b[index]) return false
  return true
}
