/** A relay and agents in one process under a virtual clock, for your tests and ours. @module */

export { seededRandom } from '../platform/random.ts'
export { type TestMesh, type TestMeshOptions, testMesh } from './mesh.ts'
export { createPipe, type Pipe } from './pipe.ts'
export { createVirtualTime, type VirtualTime } from './virtual-time.ts'
