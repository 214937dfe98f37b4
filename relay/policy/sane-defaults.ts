import { JOIN_REQUEST, LEAVE_REQUEST, VANISH } from '../../protocol/kinds.ts'
import { allOf, type PolicyFactory, type WritePolicy } from './policy.ts'
import { proofOfWork } from './pow.ts'
import { rates } from './rates.ts'
import {
  authorToVanish,
  authToRead,
  authToWrite,
  maxEventBytes,
  membersToRead,
  membersToWrite,
  onlyKinds,
} from './rules.ts'

export interface SaneOptions {
  /** NIP-42 before writing, reading, or both. Default: neither, but for what a kind itself demands. */
  readonly requireAuth?: 'write' | 'read' | 'all'
  /** Only members (NIP-43: owners, and who joined by invite or was allowed) may use the relay; `write`: strangers may read. */
  readonly members?: boolean | 'write'
  /** Only these kinds are kept. */
  readonly allowKinds?: readonly number[]
  /** NIP-13: leading zero bits of every id, committed to in its nonce tag. */
  readonly minPow?: number
  /** Bytes of one event, below the relay's own limit. */
  readonly maxEventBytes?: number
  /** False: no rates at all. They never apply to connections from this machine to a relay for this machine only. */
  readonly rates?: boolean
}

/**
 * The policy a relay has unless it is given another: rates for everybody who does not come from this machine, and each
 * restriction by one setting. Combine with your own by {@link allOf}.
 */
export const saneDefaults =
  (options: SaneOptions = {}): PolicyFactory =>
  context => {
    const { requireAuth, members = false, allowKinds, minPow = 0 } = options
    const isMember = (pubkey: string) => context.isMember(pubkey)
    const limited = options.rates === false ? undefined : rates(context)
    const authWrites = requireAuth === 'write' || requireAuth === 'all' || members !== false
    const authReads = requireAuth === 'read' || requireAuth === 'all' || members === true
    return {
      // An attempt that is refused has cost us something too.
      ...(limited === undefined ? {} : { charge: limited.charge }),
      write: allOf(
        authWrites ? authToWrite : undefined,
        authWrites ? authorToVanish : undefined,
        members === false ? undefined : unlessAsking(membersToWrite(isMember)),
        allowKinds === undefined ? undefined : unlessAsking(onlyKinds(allowKinds)),
        options.maxEventBytes === undefined ? undefined : maxEventBytes(options.maxEventBytes),
        minPow > 0 ? proofOfWork(minPow) : undefined,
      ),
      read: allOf(
        limited?.read,
        authReads ? authToRead : undefined,
        members === true ? membersToRead(isMember) : undefined,
      ),
      terms: {
        authRequired: authWrites && authReads,
        needsAuth: authWrites || authReads,
        authToRead: authReads,
        restrictedWrites: authWrites || allowKinds !== undefined || minPow > 0,
        minPow,
        membersRead: members === true,
        members: members !== false,
      },
    }
  }

/** Who asks to join is no member yet; who asks to vanish is heard whatever became of his membership (NIP-62). */
const ASKING: ReadonlySet<number> = new Set([JOIN_REQUEST, LEAVE_REQUEST, VANISH])

const unlessAsking =
  (policy: WritePolicy): WritePolicy =>
  (event, sender, now) =>
    ASKING.has(event.kind) ? undefined : policy(event, sender, now)
