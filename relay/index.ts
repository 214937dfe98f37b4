/** The relay as a library. @module */

export { LockedError } from '../platform/lock.ts'
export { DatabaseError } from '../platform/sqlite.ts'
export type { Verifier, VerifierStatus } from '../platform/verifier.ts'
export { type VerifierSetting, VerifierUnavailableError } from '../platform/verifier-tier.ts'
export type { EoseHintsSetting } from './core.ts'
export type { RelayIdentity } from './info.ts'
export { createMemoryStore } from './log/memory.ts'
export { PruneRefusedError, type RetentionRule } from './log/retention.ts'
export { DamagedLogError, openSqliteStore, type SqliteStoreOptions } from './log/sqlite/store.ts'
export type {
  Commit,
  Head,
  LogBatch,
  LogEntry,
  LogRequest,
  Outcome,
  QueryPage,
  QueryRequest,
  Setting,
  Store,
} from './log/store.ts'
export {
  allOf,
  type ConnectPolicy,
  type Peer,
  type Policy,
  type PolicyContext,
  type PolicyFactory,
  type PolicyTerms,
  type ReadPolicy,
  type Sender,
  type WritePolicy,
} from './policy/policy.ts'
export { proofOfWork } from './policy/pow.ts'
export { rates } from './policy/rates.ts'
export { RelayKeyError } from './policy/relay-key.ts'
export { authToRead, authToWrite, maxEventBytes, membersToRead, membersToWrite, onlyKinds } from './policy/rules.ts'
export { type SaneOptions, saneDefaults } from './policy/sane-defaults.ts'
export { createRelay, DEFAULT_HOST, DEFAULT_PORT, type Relay, type RelayChanges, type RelayOptions } from './relay.ts'
export type { PruneReport } from './retention.ts'
