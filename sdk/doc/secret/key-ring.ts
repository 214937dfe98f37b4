import type { Random } from '../../../platform/random.ts'
import type { Signer } from '../../identity/signer.ts'
import type { Control, Member } from '../members/control.ts'
import { type DocKey, makeDocKey, unwrapDocKey, wrapDocKey } from './doc-key.ts'

/** The keys of one document's generations, as far as this agent was given them. */
export interface KeyRing {
  /** Unwrapped so far. */
  known(generation: number): DocKey | undefined
  /** Out of the control events that have it for us; undefined if none does. */
  find(generation: number, controls: readonly Control[]): Promise<DocKey | undefined>
  make(generation: number): DocKey
  /** The members with the key sealed for each of them; `key` undefined: the document is public. */
  wrapFor(members: readonly Member[], key: DocKey | undefined): Promise<Member[]>
}

export function createKeyRing(signer: Signer, random: Random): KeyRing {
  const keys = new Map<number, DocKey>()

  return {
    known: generation => keys.get(generation),
    async find(generation, controls) {
      const known = keys.get(generation)
      if (known) return known
      for (const each of [...controls].reverse()) {
        const key = each.generation === generation ? await unwrapDocKey(each, signer) : undefined
        if (key) keys.set(generation, key)
        if (key) return key
      }
      return undefined
    },
    make(generation) {
      const key = makeDocKey(random)
      keys.set(generation, key)
      return key
    },
    wrapFor: (members, key) =>
      Promise.all(
        members.map(async ({ pubkey, role }) =>
          key === undefined ? { pubkey, role } : { pubkey, role, wrap: await wrapDocKey(key, signer, pubkey) },
        ),
      ),
  }
}
