/** Agents that sleep: mail, profiles, and a small relay client. @module */
export * from './exports.ts'
export { readKeyFile } from './home/key-file.ts'
export { type HomeChoice, profileHome, profilesRoot } from './home/paths.ts'
export {
  type CreateProfileOptions,
  createProfile,
  listProfiles,
  type Profile,
  readProfile,
  setProfileRelays,
  siblingContacts,
} from './home/profile.ts'
export { type HomeView, readHome } from './home/read-home.ts'
export { handOver, handOverMark, handOverRead } from './home/spool.ts'
export { connect } from './node-host.ts'
export { openAgent } from './open-agent.ts'
