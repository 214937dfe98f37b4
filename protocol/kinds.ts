import { type NostrEvent, type Tag, tagValue } from './event.ts'

/** NIP-01's four classes decide what a relay keeps. */
export type KindClass = 'regular' | 'replaceable' | 'ephemeral' | 'addressable'

/** Numbers in no NIP-01 range (45–999, 40000 and above) are kept like regular ones. */
export function kindClass(kind: number): KindClass {
  if (kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000)) return 'replaceable'
  if (kind >= 20_000 && kind < 30_000) return 'ephemeral'
  if (kind >= 30_000 && kind < 40_000) return 'addressable'
  return 'regular'
}

/** `kind:pubkey:d` as in an `a` tag; plain replaceable kinds end with the colon. Undefined for other classes. */
export function addressOf(event: {
  readonly kind: number
  readonly pubkey: string
  readonly tags: readonly Tag[]
}): string | undefined {
  switch (kindClass(event.kind)) {
    case 'replaceable':
      return `${event.kind}:${event.pubkey}:`
    case 'addressable':
      return `${event.kind}:${event.pubkey}:${tagValue(event, 'd') ?? ''}`
    default:
      return undefined
  }
}

/** Who wins an address: the later created_at, on a tie the LOWEST id (NIP-01). */
export const supersedes = (
  a: Pick<NostrEvent, 'created_at' | 'id'>,
  b: Pick<NostrEvent, 'created_at' | 'id'>,
): boolean => a.created_at > b.created_at || (a.created_at === b.created_at && a.id < b.id)

/** Who may be served events of a kind; `anyone` unless listed. `parties`: author and `p`, after AUTH. `nobody`: not even the author. */
export type Audience = 'anyone' | 'parties' | 'nobody'

/** Of the kinds that are not for anyone. Names and sources are in kind-table.ts: pages do without them. */
const AUDIENCES: Readonly<Record<number, Audience>> = {
  4: 'parties',
  1059: 'parties',
  21059: 'parties',
  22242: 'nobody',
  28934: 'nobody',
  28935: 'nobody',
  28936: 'nobody',
  34707: 'nobody',
}

export const DELETION = 5
/** NIP-65: where somebody reads and writes. */
export const RELAY_LIST = 10_002
/** NIP-17: where somebody wants private mail, and so ours. */
export const INBOX_RELAYS = 10_050
export const VANISH = 62
export const AUTH = 22_242
export const HTTP_AUTH = 27_235
export const MEMBER_ADDED = 8000
export const MEMBER_REMOVED = 8001
export const MEMBER_LIST = 13_534
export const JOIN_REQUEST = 28_934
export const INVITE = 28_935
export const LEAVE_REQUEST = 28_936
export const SEAL = 13
export const CHAT_MESSAGE = 14
export const CHAT_FILE = 15
export const GIFT_WRAP = 1059
export const EPHEMERAL_WRAP = 21_059
export const AGENT_CARD = 14_705
export const PRESENCE = 34_706
export const HEARTBEAT = 24_706
export const MESSAGE = 4700
export const EPHEMERAL_MESSAGE = 24_700
export const RECEIPT = 4701
/** Who is a member of a shared document. */
export const DOC_CONTROL = 4702
/** Cursors and the like of who edits a shared document now. */
export const DOC_AWARENESS = 24_702
export const STATE_DELTA = 34_701
export const STATE_SNAPSHOT = 34_702

export const audienceOf = (kind: number): Audience => AUDIENCES[kind] ?? 'anyone'
/** Kinds that some keys may not read: what makes a wide filter `withheld`. */
export const restrictedKinds: readonly number[] = Object.keys(AUDIENCES).map(Number)
