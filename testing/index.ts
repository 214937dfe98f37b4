/** Relays and agents in one process under a virtual clock, for your tests and ours. @module */

export { seededRandom } from '../platform/random.ts'
export type { Lies } from './liar.ts'
export type { CrashPoint } from './life.ts'
export { type MeshAgentOptions, type TestMesh, type TestMeshOptions, testMesh } from './mesh.ts'
export type { LogSnapshot } from './mesh-log.ts'
export type { MailSnapshot } from './mesh-mail.ts'
export type { MeshRelay } from './mesh-relay.ts'
export { createPipe, type Pipe } from './pipe.ts'
export { createVirtualTime, type VirtualTime } from './virtual-time.ts'
