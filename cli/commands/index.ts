import type { Command } from '../context.ts'
import type { VerbName } from '../verbs.ts'

export type CommandName = Exclude<VerbName, 'help'>

/** Verb → its code, loaded when it runs: `whoami` never waits for the relay's modules. */
export const COMMANDS: { readonly [V in CommandName]: () => Promise<Command<V>> } = {
  demo: async () => (await import('./demo.ts')).demo,
  relay: async () => (await import('./relay.ts')).relay,
  'relay config': async () => (await import('./relay-config.ts')).relayConfig,
  'relay check': async () => (await import('./relay-check.ts')).relayCheck,
  'relay prune': async () => (await import('./relay-prune.ts')).relayPrune,
  'relay backup': async () => (await import('./relay-backup.ts')).relayBackup,
  'relay restore': async () => (await import('./relay-restore.ts')).relayRestore,
  init: async () => (await import('./init.ts')).init,
  whoami: async () => (await import('./whoami.ts')).whoami,
  status: async () => (await import('./status.ts')).status,
  send: async () => (await import('./send.ts')).send,
  inbox: async () => (await import('./inbox.ts')).inbox,
  read: async () => (await import('./read.ts')).read,
  mark: async () => (await import('./mark.ts')).mark,
  receipts: async () => (await import('./receipts.ts')).receipts,
  catchup: async () => (await import('./catchup.ts')).catchup,
  req: async () => (await import('./req.ts')).req,
  publish: async () => (await import('./publish.ts')).publish,
  count: async () => (await import('./count.ts')).count,
  doctor: async () => (await import('./doctor.ts')).doctor,
  sync: async () => (await import('./sync.ts')).sync,
}
