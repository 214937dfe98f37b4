/** Agents that sleep: mail, profiles, and a small relay client. @module */
export type {
  Accept,
  Agent,
  AgentEvents,
  AgentHost,
  AgentStatus,
  AskOptions,
  Contact,
  HandleOptions,
  Handler,
  Host,
  InboxQuery,
  OpenAgentOptions,
  RelayState,
  RelayStatus,
  SendOptions,
  SyncSummary,
} from './api.ts'
export {
  AgentClosedError,
  AmbiguousIdError,
  ExpiredError,
  FailedError,
  HomeInUseError,
  KeyFileError,
  MessageError,
  ProfileError,
  RefusedError,
  RelayRefusedError,
  RelayUnreachableError,
  TimeoutError,
  UnknownRecipientError,
} from './errors.ts'
export { readKeyFile } from './home/key-file.ts'
export { DEFAULT_PROFILE, type HomeChoice, profileHome, profilesRoot } from './home/paths.ts'
export {
  type CreateProfileOptions,
  checkRelayUrl,
  createProfile,
  DEFAULT_RELAY,
  listProfiles,
  type Profile,
  readProfile,
  setProfileRelays,
  siblingContacts,
} from './home/profile.ts'
export { type HomeView, readHome } from './home/read-home.ts'
export { handOver, handOverRead } from './home/spool.ts'
export type { Authenticate } from './link/authenticator.ts'
export type { Negotiation, PublishResult, RelayClient, Request, RequestHandlers } from './link/client.ts'
export { type ConnectOptions, connect } from './link/connect.ts'
export { type Difference, type ReconcileOptions, reconcile } from './link/reconcile.ts'
export { type Transfer, type TransferOptions, transfer } from './link/transfer.ts'
export { createMemoryMailStore } from './mail/memory-store.ts'
export type { MailStore } from './mail/store.ts'
export type { Delivery, InboxEntry, IncomingMessage, WorkState } from './mail/types.ts'
export { openAgent } from './open-agent.ts'
export { npubOf, resolveRecipient } from './recipient.ts'
