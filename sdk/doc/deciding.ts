import { sha256 } from '@noble/hashes/sha2.js'
import { seconds } from '../../platform/clock.ts'
import { bytesToHex } from '../../protocol/hex.ts'
import type { SharedDoc } from './api.ts'
import { clientIdOf } from './client-id.ts'
import { compactState } from './compact.ts'
import { DocError } from './errors.ts'
import type { Generation } from './generation.ts'
import type { DocHost } from './host.ts'
import { openKept } from './kept.ts'
import type { ControlBook } from './members/book.ts'
import { roleIn, takesAway } from './members/chain.ts'
import { type Control, type ControlDraft, controlTemplate, MAX_MEMBERS, type Member } from './members/control.ts'
import { may } from './members/roles.ts'
import { logOf } from './name.ts'
import { type StatePayload, stateBytes } from './payload.ts'
import { commitmentOf } from './secret/doc-key.ts'
import type { KeyRing } from './secret/key-ring.ts'

export interface DecidingOptions {
  readonly host: DocHost
  readonly id: string
  readonly owner: string
  /** What people call the document. */
  readonly label: string
  readonly book: ControlBook
  readonly keys: KeyRing
  generation(): Generation | undefined
  isClosing(): boolean
  /** The chain has changed: resolves once the document is where it says. */
  follow(): Promise<void>
}

/** What admins decide: who is a member, and when a new generation begins. */
export interface Deciding extends Pick<SharedDoc, 'invite' | 'setRole' | 'remove' | 'compact'> {
  /** The first control event, with the owner as its admin. */
  found(isPublic: boolean): Promise<void>
}

export function createDeciding(options: DecidingOptions): Deciding {
  const { host, id, owner, label, book, keys } = options
  const self = host.signer.pubkey

  function ensureAdmin(): Control {
    if (options.isClosing()) throw new DocError('doc-closed', `${label} is closed.`)
    const { last } = book
    if (!last || !may(roleIn(last, self), 'admin'))
      throw new DocError('doc-role', `only an admin of ${label} decides who is a member; ask one of them.`)
    return last
  }

  function ensureMember(who: string): { readonly pubkey: string; readonly members: readonly Member[] } {
    const pubkey = host.resolve(who)
    const { members } = ensureAdmin()
    if (!members.some(member => member.pubkey === pubkey))
      throw new DocError('doc-not-member', `${who} is no member of ${label}; invite it first.`)
    return { pubkey, members }
  }

  async function decide(list: readonly Member[]): Promise<void> {
    await book.redate()
    const last = ensureAdmin()
    if (list.length > MAX_MEMBERS)
      throw new DocError('doc-members-full', `${label} has ${MAX_MEMBERS} members, which is the most.`)
    if (roleIn({ ...last, members: list }, owner) !== 'admin')
      throw new DocError('doc-role', 'the owner of a document stays its admin.')
    if (takesAway(last, { members: list })) return begin(list, { compact: false })
    const key = last.commitment === undefined ? undefined : await keys.find(last.generation, book.chain.controls)
    await write({ ...next(last), members: await keys.wrapFor(list, key) })
  }

  const next = (last: Control): Omit<ControlDraft, 'members'> => ({
    o: id,
    n: last.n + 1,
    previous: last.id,
    generation: last.generation,
    ...(last.commitment === undefined ? {} : { commitment: last.commitment }),
    ...(last.base === undefined ? {} : { base: last.base }),
  })

  /** A new generation: what is here now, under a new key, for these members. */
  async function begin(list: readonly Member[], how: { readonly compact: boolean }): Promise<void> {
    await book.redate()
    const last = ensureAdmin()
    const old = options.generation()
    if (!old) throw new DocError('doc-key', `the key of ${label} is not here.`)
    if (!(await old.flush()))
      throw new DocError('doc-unreachable', `${label} cannot be written to now; try again when a relay is there.`)
    const state = old.published()
    if (!state) throw new DocError('doc-unreachable', `${label} is being changed; try again.`)
    const { commitment: _, ...rest } = next(last)
    const number = last.generation + 1
    const payload: StatePayload = {
      state: how.compact ? compacted(state.state, number) : state.state,
      before: state.cover,
    }
    const key = last.commitment === undefined ? undefined : keys.make(number)
    await write(
      {
        ...rest,
        generation: number,
        ...(key ? { commitment: commitmentOf(key) } : {}),
        base: bytesToHex(sha256(stateBytes(payload))),
        members: await keys.wrapFor(list, key),
      },
      () => openKept(host.store, logOf(id, number)).fold({ ...payload, cover: new Map() }, self),
    )
  }

  function compacted(state: Uint8Array, number: number): Uint8Array {
    // No session is called so: nobody goes on under this client id.
    const small = compactState(state, clientIdOf(self, logOf(id, number), 'base'))
    if (small) return small
    throw new DocError('doc-not-compactable', `${label} holds something that cannot be said anew; it stays as it is.`)
  }

  async function write(draft: ControlDraft, alongside?: () => void): Promise<void> {
    const written = await book.add(controlTemplate(draft, seconds(host.clock)), alongside)
    await options.follow()
    if (!book.chain.controls.some(({ id: each }) => each === written.id))
      throw new DocError(
        'doc-role',
        'another admin has decided something else at the same time; look at the members and try again.',
      )
  }

  return {
    async found(isPublic) {
      const key = isPublic ? undefined : keys.make(0)
      const members = await keys.wrapFor([{ pubkey: self, role: 'admin' }], key)
      await write({ o: id, n: 0, generation: 0, ...(key ? { commitment: commitmentOf(key) } : {}), members })
    },
    async invite(who, role = 'snapshot') {
      const pubkey = host.resolve(who)
      const { members } = ensureAdmin()
      const isNew = !members.some(member => member.pubkey === pubkey)
      const others = members.map(member => (member.pubkey === pubkey ? { pubkey, role } : member))
      await decide(isNew ? [...others, { pubkey, role }] : others)
    },
    async setRole(who, role) {
      const { pubkey, members } = ensureMember(who)
      await decide(members.map(member => (member.pubkey === pubkey ? { pubkey, role } : member)))
    },
    async remove(who) {
      const { pubkey, members } = ensureMember(who)
      await decide(members.filter(member => member.pubkey !== pubkey))
    },
    async compact() {
      const { members } = ensureAdmin()
      await begin(members, { compact: true })
    },
  }
}
