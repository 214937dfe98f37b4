/** The SDK for pages and workers: the `browser` condition of `posthorn`. @module */
export * from '../exports.ts'
export { connect, remoteSigner } from './connect.ts'
export { openIdbMailStore } from './idb-mail-store.ts'
export { type Nip07, nip07Signer } from './nip07-signer.ts'
export { openAgent } from './open-agent.ts'
export { restoreStorage } from './storage.ts'
