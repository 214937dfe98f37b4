import type { Clock } from '../../platform/clock.ts'
import type { Socket } from '../../platform/socket.ts'
import { parseReason } from '../../protocol/reasons.ts'

/** A duration or size that was seen, for whoever keeps distributions. `ms` of the monotonic clock. */
export interface MeterEvents {
  commit(ms: number, events: number): void
  verify(ms: number, events: number): void
  query(ms: number, shape: string, rows: number): void
}

/** Counts by name; names come from us, never from a peer, so there are few. */
class Tally {
  readonly values = new Map<string, number>()
  add(name: string, by = 1): void {
    this.values.set(name, (this.values.get(name) ?? 0) + by)
  }
}

/**
 * What a relay has done since its start: plain numbers, so that counting a frame costs nothing worth saving. Read by
 * prometheus.ts when somebody asks; distributions go to `observe` as they happen.
 */
export class Meter {
  readonly clock: Clock
  readonly observe: MeterEvents
  framesIn = new Tally()
  bytesIn = 0
  framesOut = 0
  /** UTF-16 units of outbound text: bytes for ASCII, close to them for the rest. */
  charsOut = 0
  /** EVENT frames sent, stored and live alike. */
  deliveries = 0
  /** What became of published events, by the word of their OK. */
  answers = new Tally()
  /** Refused and ended subscriptions, by the word of their CLOSED. */
  closed = new Tally()
  connections = 0
  /** By close code. */
  ends = new Tally()
  committed = new Tally()
  /** Open connections. */
  readonly sockets = new Set<Pick<Socket, 'unsentBytes'>>()

  constructor(clock: Clock, observe: MeterEvents) {
    this.clock = clock
    this.observe = observe
  }

  frameIn(text: string): void {
    this.bytesIn += text.length
    this.framesIn.add(frameType(text))
  }

  frameOut(text: string): void {
    this.framesOut += 1
    this.charsOut += text.length
    switch (frameType(text)) {
      case 'EVENT':
        this.deliveries += 1
        return
      case 'OK':
        return this.answers.add(answerOf(text))
      case 'CLOSED':
        return this.closed.add(reasonWord(text))
    }
  }
}

const TYPES = [
  'EVENT',
  'REQ',
  'CLOSE',
  'OK',
  'EOSE',
  'CLOSED',
  'COUNT',
  'AUTH',
  'WILL',
  'SEQ',
  'GONE',
  'NEG-OPEN',
  'NEG-MSG',
  'NEG-CLOSE',
]
const PREFIXES = TYPES.map(type => [type, `["${type}"`] as const)

/** Of our own compact frames and of most others; whatever else somebody sends is one type, or anybody could make names. */
function frameType(text: string): string {
  for (const [type, prefix] of PREFIXES) if (text.startsWith(prefix)) return type
  return 'other'
}

const OK_VERDICT = '["OK","'.length + 64 + '",'.length

/** `stored` and `duplicate`, or the reason's word: an OK is written by us, so its shape is known. */
function answerOf(text: string): string {
  const accepted = text.startsWith('true', OK_VERDICT)
  const message = text.slice(OK_VERDICT + (accepted ? 'true,"' : 'false,"').length, -2)
  const { prefix } = parseReason(message)
  if (!accepted) return prefix ?? 'other'
  return prefix === 'seq' ? 'stored' : (prefix ?? 'accepted')
}

function reasonWord(text: string): string {
  const start = text.lastIndexOf('","')
  return parseReason(text.slice(start + 3, -2)).prefix ?? 'other'
}
