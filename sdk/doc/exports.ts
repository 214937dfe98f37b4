/** What `posthorn/doc` gives on every host. */

export type { DocAlert, DocEvents, DocMember, DocStatus, SharedDoc } from './api.ts'
export type { DocSize } from './compact.ts'
export { DocError } from './errors.ts'
export type { HistoryEntry, WithheldEntry } from './kept.ts'
export { ROLES, type Role } from './members/roles.ts'
export type { OpenDoc, OpenDocOptions } from './open-doc.ts'
export type { Provider, ProviderEvents, ProviderOptions, ProviderStatus } from './provider.ts'
