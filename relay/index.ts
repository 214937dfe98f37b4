/** The relay as a library. @module */

export { LockedError } from '../platform/lock.ts'
export { DatabaseError } from '../platform/sqlite.ts'
export { type RelayIdentity, SUPPORTED_NIPS } from './info.ts'
export { createMemoryStore } from './log/memory.ts'
export { openSqliteStore } from './log/sqlite/store.ts'
export type {
  Commit,
  Head,
  LogBatch,
  LogEntry,
  LogRequest,
  Outcome,
  QueryPage,
  QueryRequest,
  Store,
} from './log/store.ts'
export { createRelay, DEFAULT_HOST, DEFAULT_PORT, type Relay, type RelayOptions } from './relay.ts'
