/** What travels: events, filters, kinds, frames, reasons, limits. Pure functions, no I/O; runs in a browser. @module */
export { CLOSE, type CloseCode } from './close-codes.ts'
export { type Cursor, isEpoch, makeEpoch } from './cursor.ts'
export {
  type EventTemplate,
  encodeEvent,
  eventId,
  expirationOf,
  hasValidId,
  type NostrEvent,
  parseEvent,
  type Tag,
  tagValue,
  tagValues,
} from './event.ts'
export { type Filter, type FilterJson, type Matchable, matchFilter, matchFilters, parseFilter } from './filter.ts'
export {
  type ClientFrame,
  encode,
  type FrameError,
  type GoneCause,
  parseClientFrame,
  parseRelayFrame,
  type RelayFrame,
} from './frames.ts'
export { bytesToHex, hexToBytes, isHex64 } from './hex.ts'
export { type EoseHints, encodeHints, parseHints, SEQ_SUBPROTOCOL } from './hints.ts'
export { hllOf, hllOffset } from './hll.ts'
export { KINDS } from './kind-table.ts'
export {
  type Audience,
  addressOf,
  audienceOf,
  type KindClass,
  kindClass,
  restrictedKinds,
  supersedes,
} from './kinds.ts'
export { defaultLimits, LIMITS, type Limit, type LimitName, type Limits } from './limits.ts'
export {
  commonOfCursorUnknown,
  isOutdated,
  parseReason,
  REASON_PREFIXES,
  REASONS,
  type Reason,
  type ReasonPrefix,
  reason,
  seqOfOk,
} from './reasons.ts'
export { fail, ok, type Result } from './result.ts'
export { hasValidSignature, publicKeyOf, signEvent, verifyEvent } from './signature.ts'
export { normalizeRelayUrl } from './url.ts'
