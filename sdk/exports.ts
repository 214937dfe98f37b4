/** What the SDK gives on every host; the entries for Node and for browsers add what is the host's own. */

export { PERFORMATIVES, type Performative } from './acts.ts'
export type {
  Accept,
  Agent,
  AgentEvents,
  AgentHost,
  AgentStatus,
  AskOptions,
  CloseOptions,
  Contact,
  DiscoveryStatus,
  Drained,
  DrainOptions,
  HandleOptions,
  Handler,
  Host,
  InboxQuery,
  MailStatus,
  OpenAgentOptions,
  ReceiptPolicy,
  RelayState,
  RelayStatus,
  RelaySync,
  SendOptions,
  SyncSummary,
} from './api.ts'
export { type Body, json, jsonOf, markdown, multipart, type Part, partsOf } from './body.ts'
export type { AgentCards, CardDraft, CardQuery, FoundCard } from './card/index.ts'
export type { AgentCard, CardInterface, CardSkill } from './card/shape.ts'
export type { AgentContacts } from './contacts/index.ts'
export {
  AgentClosedError,
  AmbiguousIdError,
  CardError,
  ChainError,
  ContactError,
  ExpiredError,
  FailedError,
  HomeInUseError,
  InviteError,
  KeyFileError,
  MessageError,
  NameLookupError,
  NotUnderstoodError,
  PeerPausedError,
  ProfileError,
  RefusedError,
  Rejection,
  RelayRefusedError,
  RelayUnreachableError,
  SignerError,
  StateError,
  StorageError,
  TimeoutError,
  UnknownRecipientError,
  UnsupportedHostError,
} from './errors.ts'
export { isComplete, isSynced } from './health/complete.ts'
export type { HealthFacts, RecordFacts } from './health/facts.ts'
export { allWell, isPublished, type Problem, type ProblemCode, problemsOf } from './health/problems.ts'
export { type LocalSigner, localSigner } from './identity/local-signer.ts'
export { type DecryptKeyOptions, decryptKey, type EncryptKeyOptions, encryptKey } from './identity/nip49.ts'
export type { MaybePromise, Signer } from './identity/signer.ts'
export type { AcceptedInvite, AgentInvites, CreatedInvite, Invite, InviteTerms } from './invites/index.ts'
export { type InviteText, parseInvite } from './invites/text.ts'
export type { Authenticate } from './link/authenticator.ts'
export type { Negotiation, PublishResult, RelayClient, Request, RequestHandlers } from './link/client.ts'
export type { Connect, ConnectOptions } from './link/connect.ts'
export { type Difference, type ReconcileOptions, reconcile } from './link/reconcile.ts'
export type { RelayAnswer } from './link/relay-answer.ts'
export { type Transfer, type TransferOptions, transfer } from './link/transfer.ts'
export { createMemoryMailStore } from './mail/memory-store.ts'
export type { Copy, MailStore, Stranger } from './mail/store.ts'
export type {
  Amounts,
  Delivery,
  Envelope,
  InboxEntry,
  IncomingMessage,
  MailRoute,
  Mark,
  Priority,
  Receipt,
  ReceiptState,
  SentEntry,
  WorkState,
} from './mail/types.ts'
export type {
  Ask,
  Content,
  DeadLetter,
  DeadLetters,
  HandlerMessage,
  Requests,
  ScatterOptions,
  ScatterResult,
  SubscribeOptions,
  Topic,
  TypedHandler,
} from './messaging.ts'
export type { Found } from './names/internet-name.ts'
export type { AgentPresence } from './presence/index.ts'
export type { Presence, PresenceState, SessionPresence } from './presence/observer.ts'
export type { PresenceStatus } from './presence/status.ts'
export { DEFAULT_PROFILE } from './profile-name.ts'
export type { Rate } from './rate.ts'
export { checkRelayUrl, DEFAULT_RELAY } from './relay-url.ts'
export { ownNprofile } from './relays/own-nprofile.ts'
export type {
  ConnectRemoteSigner,
  RemoteSigner,
  RemoteSignerOptions,
  SignerAddress,
  SignerOffer,
} from './remote-signer/index.ts'
export { npubOf, resolveRecipient } from './sending/recipient.ts'
export { memoryShelf, type Shelf } from './shelf.ts'
export type { Unfinished } from './shutdown.ts'
export type { AgentState, AgentStates } from './state/agent-state.ts'
export type { Board, BoardOptions, Claim, Post, ReadCover, Slot, WriteResult } from './state/blackboard/board.ts'
export type { Fork, LogStatus, OtherSession } from './state/log/types.ts'
export type { Json } from './state/owned/record.ts'
export type { GaugeTerms } from './state/owned/typed.ts'
export type {
  OwnState,
  SetOptions,
  StateChange,
  StateContent,
  StateStatus,
  StateView,
  Unsent,
} from './state/owned/types.ts'
export { type StateStore, tableStateStore } from './state/store.ts'
export type { AgentCounters, HandlerCounters } from './telemetry/counters.ts'
export { type OpenTelemetryApi, openTelemetry, type Telemetry } from './telemetry/telemetry.ts'
export { act, type SchemaIssue, type SchemaResult, type StandardSchema, type TypedAct } from './typed-act.ts'
