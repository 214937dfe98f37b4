/** What the SDK gives on every host; the entries for Node and for browsers add what is the host's own. */
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
  RelaySync,
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
  SignerError,
  TimeoutError,
  UnknownRecipientError,
  UnsupportedHostError,
} from './errors.ts'
export { type LocalSigner, localSigner } from './identity/local-signer.ts'
export type { MaybePromise, Signer } from './identity/signer.ts'
export type { Authenticate } from './link/authenticator.ts'
export type { Negotiation, PublishResult, RelayClient, Request, RequestHandlers } from './link/client.ts'
export type { Connect, ConnectOptions } from './link/connect.ts'
export { type Difference, type ReconcileOptions, reconcile } from './link/reconcile.ts'
export { type Transfer, type TransferOptions, transfer } from './link/transfer.ts'
export { createMemoryMailStore } from './mail/memory-store.ts'
export type { Copy, MailStore } from './mail/store.ts'
export type { Delivery, InboxEntry, IncomingMessage, WorkState } from './mail/types.ts'
export { DEFAULT_PROFILE } from './profile-name.ts'
export { npubOf, resolveRecipient } from './recipient.ts'
export { checkRelayUrl, DEFAULT_RELAY } from './relay-url.ts'
