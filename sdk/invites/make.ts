import { type Clock, seconds } from '../../platform/clock.ts'
import { type Random, randomHex } from '../../platform/random.ts'
import { DEFAULT_PROFILE } from '../profile-name.ts'
import { announceable } from '../relays/lists.ts'
import type { InvitesOptions } from './index.ts'
import { hashOf, ID_CHARS, type InviteRecord, MAX_USES } from './ledger.ts'
import { doorOf, inviterOf, requestRelayCode } from './relay-code.ts'
import { encodeInvite, MAX_INVITE_RELAYS } from './text.ts'

export interface InviteTerms {
  /** How many keys may accept it; default 1. */
  readonly uses?: number
  /** Seconds until it expires, by the inviter's clock when it reads the acceptance; default 7 days. */
  readonly validForS?: number
  /** For the inviter's own list; not in the text. */
  readonly note?: string
}

export interface CreatedInvite {
  /** To be handed over, once, on a way nobody else reads. Kept nowhere. */
  readonly text: string
  readonly id: string
  /** Seconds since 1970. */
  readonly expires: number
  readonly uses: number
}

export interface Inviter {
  readonly pubkey: string
  readonly name: string
  readonly relays: readonly string[]
  readonly clock: Clock
  readonly random: Random
}

/** 128 bits: not to be guessed. */
const TOKEN_CHARS = 32
const WEEK_S = 7 * 24 * 3600
const LONGEST_S = 3_660 * 24 * 3600
const MAX_NOTE_CHARS = 200

/** A fresh invite: the text to hand over, and what is kept of it. Throws RangeError. */
export function makeInvite(
  { pubkey, name, relays, clock, random }: Inviter,
  { uses = 1, validForS = WEEK_S, note }: InviteTerms,
  claim?: string,
): { readonly created: CreatedInvite; readonly record: InviteRecord } {
  if (!(Number.isSafeInteger(uses) && uses >= 1 && uses <= MAX_USES))
    throw new RangeError(`uses must be a whole number from 1 to ${MAX_USES}.`)
  if (!(validForS > 0 && validForS <= LONGEST_S))
    throw new RangeError(`an invite is valid for more than 0 and at most ${LONGEST_S} seconds.`)
  if (claim !== undefined && uses > 1)
    throw new RangeError('the relay lets one key in for each code: an invite to a relay for members has one use.')
  const token = randomHex(random, TOKEN_CHARS)
  const created = seconds(clock)
  const expires = created + Math.ceil(validForS)
  const hash = hashOf(token)
  const text = encodeInvite({
    pubkey,
    relays: announceable(relays).slice(0, MAX_INVITE_RELAYS),
    token,
    expires,
    ...(name === DEFAULT_PROFILE ? {} : { name }),
    ...(claim === undefined ? {} : { claim }),
  })
  return {
    created: Object.freeze({ text, id: hash.slice(0, ID_CHARS), expires, uses }),
    record: {
      hash,
      created,
      expires,
      uses,
      usedBy: [],
      ...(note === undefined ? {} : { note: note.slice(0, MAX_NOTE_CHARS) }),
    },
  }
}

/** A fresh invite, kept in the ledger. Throws what `AgentInvites.create` says. */
export async function createInvite(
  options: InvitesOptions,
  { relayCode = false, ...terms }: InviteTerms & { readonly relayCode?: boolean },
): Promise<CreatedInvite> {
  const [first = ''] = announceable(options.relays())
  const code = relayCode ? await requestRelayCode(first, doorOf(options)) : undefined
  options.ensureOpen()
  const { created, record } = makeInvite(inviterOf(options), terms, code)
  options.ledger.add(record, seconds(options.clock))
  return created
}
