/** NIP-77: which of two sets of events the other side lacks, in a few messages. */
export {
  type Bound,
  compareBounds,
  decodeMessage,
  END,
  FINGERPRINT_BYTES,
  ID_BYTES,
  MessageWriter,
  type Range,
  START,
} from './message.ts'
export { type EventStub, type PackedStubs, packStubs, RecordSet } from './record-set.ts'
export { respond } from './respond.ts'
