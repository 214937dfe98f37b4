/** Agents that sleep: mail, profiles, and a small relay client. @module */
export * from './exports.ts'
export { cardBeside, contactsBeside, invitesBeside, presenceBeside } from './home/beside.ts'
export { findBeside } from './home/find-beside.ts'
export { type HomeSignerOptions, openHomeSigner } from './home/home-signer.ts'
export {
  type ChangePassphrase,
  changeKeyPassphrase,
  encryptKeyFile,
  isKeyFileEncrypted,
  type OpenKeyOptions,
  openKeyFile,
  readKeyFile,
} from './home/key-file.ts'
export { type HomeChoice, profileHome, profilesRoot } from './home/paths.ts'
export {
  type CreateEncryptedProfileOptions,
  type CreateProfileOptions,
  type CreateRemoteProfileOptions,
  createEncryptedProfile,
  createProfile,
  createRemoteProfile,
  listProfiles,
  type Profile,
  readProfile,
  setProfileDiscovery,
  setProfileRelays,
  siblingContacts,
} from './home/profile.ts'
export { type HomeView, readHome } from './home/read-home.ts'
export { readRecordFacts } from './home/record-facts.ts'
export { type HandOverOptions, handOver, handOverMark, handOverRead, toldBeside } from './home/spool.ts'
export { type StateBeside, stateBeside } from './home/state-beside.ts'
export type { Lookout, LookoutRelay } from './lookout.ts'
export { connect, openLookout, remoteSigner } from './node-host.ts'
export { openAgent } from './open-agent.ts'
export type { PresenceChange } from './orders.ts'
