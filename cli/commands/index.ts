import type { Command } from '../context.ts'
import type { VerbName } from '../verbs/index.ts'

export type CommandName = Exclude<VerbName, 'help'>

/** Verb → its code, loaded when it runs: `whoami` never waits for the relay's modules. */
export const COMMANDS: { readonly [V in CommandName]: () => Promise<Command<V>> } = {
  // Start here
  demo: async () => (await import('./demo.ts')).demo,
  init: async () => (await import('./init.ts')).init,
  whoami: async () => (await import('./whoami.ts')).whoami,
  'key passphrase': async () => (await import('./key-passphrase.ts')).keyPassphrase,
  status: async () => (await import('./status.ts')).status,
  doctor: async () => (await import('./doctor.ts')).doctor,

  // Mail
  send: async () => (await import('./send.ts')).send,
  inbox: async () => (await import('./inbox.ts')).inbox,
  read: async () => (await import('./read.ts')).read,
  mark: async () => (await import('./mark.ts')).mark,
  receipts: async () => (await import('./receipts.ts')).receipts,
  watch: async () => (await import('./watch.ts')).watch,
  catchup: async () => (await import('./catchup.ts')).catchup,

  // People and agents
  'contact add': async () => (await import('./contact-add.ts')).contactAdd,
  'contact allow': async () => (await import('./contact-judge.ts')).contactAllow,
  'contact deny': async () => (await import('./contact-judge.ts')).contactDeny,
  'contact remove': async () => (await import('./contact-remove.ts')).contactRemove,
  'contact list': async () => (await import('./contact-list.ts')).contactList,
  'invite create': async () => (await import('./invite-create.ts')).inviteCreate,
  'invite accept': async () => (await import('./invite-accept.ts')).inviteAccept,
  'invite list': async () => (await import('./invite-list.ts')).inviteList,
  'invite revoke': async () => (await import('./invite-revoke.ts')).inviteRevoke,

  // Agents
  agents: async () => (await import('./agents.ts')).agents,
  'card show': async () => (await import('./card-show.ts')).cardShow,
  'card set': async () => (await import('./card-set.ts')).cardSet,
  'card publish': async () => (await import('./card-set.ts')).cardPublish,
  'presence show': async () => (await import('./presence-show.ts')).presenceShow,
  'presence watch': async () => (await import('./presence-watch.ts')).presenceWatch,
  'presence set': async () => (await import('./presence-set.ts')).presenceSet,

  // Coding agents
  mcp: async () => (await import('./mcp.ts')).mcp,
  wake: async () => (await import('./wake.ts')).wake,
  install: async () => (await import('./install.ts')).install,

  // State
  'state get': async () => (await import('./state-get.ts')).stateGet,
  'state set': async () => (await import('./state-set.ts')).stateSet,
  'state del': async () => (await import('./state-set.ts')).stateDel,
  'state watch': async () => (await import('./state-watch.ts')).stateWatch,

  // Shared documents
  'doc show': async () => (await import('./doc-look.ts')).docShow,
  'doc members': async () => (await import('./doc-look.ts')).docMembers,
  'doc create': async () => (await import('./doc-create.ts')).docCreate,
  'doc invite': async () => (await import('./doc-decide.ts')).docInvite,
  'doc remove': async () => (await import('./doc-decide.ts')).docRemove,
  'doc compact': async () => (await import('./doc-compact.ts')).docCompact,
  'doc history': async () => (await import('./doc-look.ts')).docHistory,

  // Run a relay
  relay: async () => (await import('./relay.ts')).relay,
  'relay top': async () => (await import('./relay-top.ts')).relayTop,
  'relay config': async () => (await import('./relay-config.ts')).relayConfig,
  'relay check': async () => (await import('./relay-check.ts')).relayCheck,
  'relay prune': async () => (await import('./relay-prune.ts')).relayPrune,
  'relay backup': async () => (await import('./relay-backup.ts')).relayBackup,
  'relay restore': async () => (await import('./relay-restore.ts')).relayRestore,

  // Events of any kind
  req: async () => (await import('./req.ts')).req,
  publish: async () => (await import('./publish.ts')).publish,
  count: async () => (await import('./count.ts')).count,
  sync: async () => (await import('./sync.ts')).sync,

  // Help
  completion: async () => (await import('./completion.ts')).completion,
}
