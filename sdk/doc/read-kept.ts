import * as Y from 'yjs'
import type { StateStore } from '../state/store.ts'
import type { DocMember, SharedDoc } from './api.ts'
import { assemble } from './assembly.ts'
import { sizeOf } from './compact.ts'
import { type Kept, openKept } from './kept.ts'
import { foldChain } from './members/chain.ts'
import { parseControl } from './members/control.ts'
import { keptControls } from './members/kept-controls.ts'
import { type DocName, documentId, labelOf, logOf } from './name.ts'

/** A document as an agent keeps it; what it has not written yet is not in it. */
export interface KeptDoc extends Pick<SharedDoc, 'id' | 'name' | 'doc' | 'members' | 'history' | 'size'> {
  readonly public: boolean
  readonly generation: number
}

/** Undefined: nothing of it is kept here. */
export function readKept(store: StateStore, name: DocName, self: string): KeptDoc | undefined {
  const id = documentId(name)
  const controls = keptControls(store, id)
    .all()
    .flatMap(event => {
      const control = parseControl(event)
      return control.ok ? [control.value] : []
    })
  const chain = foldChain(controls, id, name.owner)
  const last = chain.controls.at(-1)
  if (!last) return undefined
  const { number, kept } = newest(store, id, last.generation)
  const doc = new Y.Doc()
  assemble({
    o: logOf(id, number),
    doc,
    kept,
    startsWithState: number > 0,
    trial: undefined,
    onRefused() {},
    onStuck() {},
    onIdle() {},
  }).load()
  const members: readonly DocMember[] = last.members.map(({ pubkey, role }) => ({ pubkey, role }))
  return {
    id,
    name: labelOf(name, self),
    doc,
    public: last.commitment === undefined,
    generation: last.generation,
    members: () => members,
    history: kept.history,
    size: () => sizeOf(Y.encodeStateAsUpdate(doc)),
  }
}

/** The generation in force, or, as long as its first state is not here, the one before. */
function newest(store: StateStore, id: string, from: number): { readonly number: number; readonly kept: Kept } {
  for (let number = from; ; number -= 1) {
    const kept = openKept(store, logOf(id, number))
    if (number === 0 || kept.states().length > 0) return { number, kept }
  }
}
