import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, isHex64 } from '../../protocol/hex.ts'
import { isCount, isRecord, own, parseJson } from '../../protocol/json.ts'
import { InviteError } from '../errors.ts'
import type { Shelf } from '../shelf.ts'

/** One invite as the inviter keeps it: of its token the hash alone, so that nothing here lets anybody in. */
export interface InviteRecord {
  /** sha256 of the token, 64 hex. */
  readonly hash: string
  /** Seconds since 1970. */
  readonly created: number
  /** Seconds since 1970. */
  readonly expires: number
  /** How many keys may accept it. */
  readonly uses: number
  /** Who did, 64 hex each. */
  readonly usedBy: readonly string[]
  readonly note?: string
  readonly revoked?: boolean
}

/** What an invite is, without anything that lets somebody in. */
export interface Invite {
  /** The beginning of the token's hash, 16 hex. */
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly expires: number
  readonly uses: number
  /** Public keys, 64 hex. */
  readonly usedBy: readonly string[]
  readonly note?: string
  readonly state: 'open' | 'used' | 'expired' | 'revoked'
}

/** `again`: this key has accepted it before. */
export type Standing = 'open' | 'again' | 'used' | 'expired' | 'revoked' | 'unknown'

/** The invites an agent has given out. One writer: the agent whose shelf it is. */
export interface InviteLedger {
  /** Throws {@link InviteError} if too many are open. */
  add(record: InviteRecord, now: number): void
  /** How a token stands for a key; changes nothing. */
  standing(token: string, from: string, now: number): Standing
  /** This key has accepted; call only if its standing is `open`. Kept when it returns. */
  use(token: string, from: string): void
  /** Newest first. */
  list(now: number): readonly Invite[]
  /** By id, or a prefix of at least 4 characters that names one. False if there is no such invite, or it is not open. */
  revoke(id: string, now: number): boolean
}

export const MAX_OPEN_INVITES = 500
export const MAX_USES = 1_000
const SHELF = 'invites'
export const ID_CHARS = 16
/** What has ended is kept so long, so that a latecomer is told what happened. */
const KEPT_S = 30 * 24 * 3600

export const hashOf = (token: string): string => bytesToHex(sha256(new TextEncoder().encode(token)))

/** Throws {@link InviteError} on a list that is damaged. */
export function createInviteLedger(shelf: Shelf): InviteLedger {
  let records = readInvites(shelf)

  function write(next: readonly InviteRecord[]): void {
    shelf.write(SHELF, `${JSON.stringify({ v: 1, invites: next }, null, 2)}\n`)
    records = next
  }

  function replace(changed: InviteRecord): void {
    write(records.map(record => (record.hash === changed.hash ? changed : record)))
  }

  return {
    add(record, now) {
      if (records.some(({ hash }) => hash === record.hash)) return
      const kept = records.filter(({ expires }) => expires > now - KEPT_S)
      if (kept.filter(each => stateOf(each, now) === 'open').length >= MAX_OPEN_INVITES)
        throw new InviteError('invites-full', `${MAX_OPEN_INVITES} invites are open; revoke some first.`)
      // Ended ones give way before there are too many to read at each start.
      write([...kept.slice(-4 * MAX_OPEN_INVITES), record])
    },
    standing(token, from, now) {
      const hash = hashOf(token)
      const record = records.find(each => each.hash === hash)
      if (!record) return 'unknown'
      return record.usedBy.includes(from) ? 'again' : stateOf(record, now)
    },
    use(token, from) {
      const hash = hashOf(token)
      const record = records.find(each => each.hash === hash)
      if (record) replace({ ...record, usedBy: [...record.usedBy, from] })
    },
    list: now => listed(records, now),
    revoke(id, now) {
      const found = findInvite(records, id, now)
      if (found) replace({ ...found, revoked: true })
      return found !== undefined
    },
  }
}

/** The one open invite that `id` names. */
export function findInvite(records: readonly InviteRecord[], id: string, now: number): InviteRecord | undefined {
  if (!/^[0-9a-f]{4,16}$/.test(id)) return undefined
  const found = records.filter(record => record.hash.startsWith(id))
  const [first] = found
  return found.length === 1 && first && stateOf(first, now) === 'open' ? first : undefined
}

export const listed = (records: readonly InviteRecord[], now: number): readonly Invite[] =>
  records
    .map(({ hash, revoked: _revoked, ...record }) =>
      Object.freeze({ id: hash.slice(0, ID_CHARS), ...record, state: stateOf({ ...record, revoked: _revoked }, now) }),
    )
    .reverse()

function stateOf(
  record: Pick<InviteRecord, 'expires' | 'uses' | 'usedBy'> & { readonly revoked?: boolean | undefined },
  now: number,
): Invite['state'] {
  if (record.usedBy.length >= record.uses) return 'used'
  if (record.revoked) return 'revoked'
  return record.expires <= now ? 'expired' : 'open'
}

/** Reads the shelf. Throws {@link InviteError} on a list that is there and cannot be read. */
export function readInvites(shelf: Pick<Shelf, 'read'>): readonly InviteRecord[] {
  const text = shelf.read(SHELF)
  if (text === undefined) return []
  const json = parseJson(text)
  const list = json.ok && isRecord(json.value) && own(json.value, 'v') === 1 ? own(json.value, 'invites') : undefined
  if (!Array.isArray(list))
    throw new InviteError(
      'invites-malformed',
      'the list of invites is damaged; repair or remove invites.json in the home.',
    )
  return list.flatMap(each => readRecord(each) ?? [])
}

/** Undefined if it is none. */
export function readRecord(value: unknown): InviteRecord | undefined {
  if (!isRecord(value)) return undefined
  const [hash, created, expires, uses, usedBy, note, revoked] = [
    'hash',
    'created',
    'expires',
    'uses',
    'usedBy',
    'note',
    'revoked',
  ].map(field => own(value, field))
  if (!isHex64(hash) || !isCount(created) || !isCount(expires) || !isCount(uses)) return undefined
  if (!Array.isArray(usedBy) || !usedBy.every(isHex64)) return undefined
  return Object.freeze({
    hash,
    created,
    expires,
    uses,
    usedBy: Object.freeze(usedBy),
    ...(typeof note === 'string' ? { note } : {}),
    ...(revoked === true ? { revoked } : {}),
  })
}
