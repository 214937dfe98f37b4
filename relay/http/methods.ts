import { byteLength, parseEventText, type Tag, tagValue } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { isCount } from '../../protocol/json.ts'
import { PruneRefusedError, type RetentionRule } from '../log/retention.ts'
import type { ListEntry } from '../policy/access-lists.ts'
import type { PruneReport } from '../retention.ts'
import type { HttpHost } from './host.ts'
import type { IdentityField, IdentitySettings } from './identity.ts'

/** A call that cannot be done as it stands; its message is for the caller. */
export class CallError extends Error {
  override readonly name = 'CallError'
  readonly code = 'ERR_CALL'
}

export interface ManagementHost extends Pick<HttpHost, 'lists' | 'ingest' | 'source' | 'admission'> {
  readonly identity: IdentitySettings
  readonly retention: {
    readonly rules: readonly RetentionRule[]
    /** Applies the rules now. */
    readonly run: () => Promise<PruneReport>
  }
}

type Params = readonly unknown[]
type Method = (params: Params) => unknown

/** Text that the relay keeps and shows: a name, a description, a reason. */
const MAX_TEXT_BYTES = 1_024
/** Reports looked through for events to moderate, newest first. */
const MAX_REPORTS = 500
/** NIP-56. */
const REPORT = 1984

/** The methods of NIP-86 by name, and three of our own (docs/protocol.md, "HTTP"). Each resolves to its result, or throws a CallError. */
export function createMethods({ lists, ingest, source, identity, admission, retention }: ManagementHost) {
  /** A change resolves to true when it is on disk. */
  const change =
    (run: (params: Params) => Promise<void>): Method =>
    async params => {
      await run(params)
      return true
    }
  const changeMembers = (run: (params: Params) => Promise<void>): Method =>
    change(async params => {
      await run(params)
      await admission.refreshMembers()
    })
  const changeIdentity = (field: IdentityField): Method =>
    change(([value]) => identity.change(field, requireText(value, `the new ${field}`)))

  return {
    banpubkey: changeMembers(async ([key, why]) => {
      const pubkey = requireHex(key, 'a public key')
      if (admission.membership.isOwner(pubkey))
        throw new CallError('an owner cannot be banned; change the configuration first')
      await lists.ban(pubkey, optionalText(why))
    }),
    unbanpubkey: changeMembers(([key]) => lists.unban(requireHex(key, 'a public key'))),
    listbannedpubkeys: () => lists.listBanned().map(entry => describe('pubkey', entry)),
    allowpubkey: changeMembers(([key, why]) => lists.allow(requireHex(key, 'a public key'), optionalText(why))),
    unallowpubkey: changeMembers(([key]) => lists.unallow(requireHex(key, 'a public key'))),
    listallowedpubkeys: () => lists.listAllowed().map(entry => describe('pubkey', entry)),
    banevent: change(async ([id, why]) => {
      const banned = requireHex(id, 'an event id')
      await lists.banEvent(banned, optionalText(why))
      await ingest.remove([banned])
    }),
    allowevent: change(([id, why]) => lists.allowEvent(requireHex(id, 'an event id'), optionalText(why))),
    listbannedevents: () => lists.listBannedEvents().map(entry => describe('id', entry)),
    listeventsneedingmoderation: () => reportedEvents({ lists, source }),
    changerelayname: changeIdentity('name'),
    changerelaydescription: changeIdentity('description'),
    changerelayicon: change(([value]) => identity.change('icon', requireWebUrl(value))),
    allowkind: change(([kind]) => lists.allowKind(requireKind(kind))),
    disallowkind: change(([kind]) => lists.disallowKind(requireKind(kind))),
    listallowedkinds: () => lists.listAllowedKinds(),
    blockip: change(([ip, why]) => asCallError(lists.blockIp(requireText(ip, 'an IP address'), optionalText(why)))),
    unblockip: change(([ip]) => asCallError(lists.unblockIp(requireText(ip, 'an IP address')))),
    createinvite: async () => {
      const invited = await admission.issueInvite()
      if (typeof invited === 'string') throw new CallError(invited)
      return tagValue(invited, 'claim')
    },
    listretention: () => ({ rules: retention.rules.map(describeRule) }),
    prune: async () => {
      try {
        return (await retention.run()).events
      } catch (error) {
        if (error instanceof PruneRefusedError) throw new CallError(error.message)
        throw error
      }
    },
    listblockedips: () => lists.listBlockedIps().map(entry => describe('ip', entry)),
  } satisfies Record<string, Method> as Readonly<Record<string, Method>>
}

/** A rule as people say it. */
function describeRule({ kinds, authors, maxAgeS, maxCount }: RetentionRule): string {
  const what = kinds === undefined ? 'every kind' : `kinds ${kinds.join(', ')}`
  const whose = authors === undefined ? '' : ` by ${authors.length} keys`
  const age = maxAgeS === undefined ? [] : [`for ${Math.round(maxAgeS / 360) / 10} hours`]
  const count = maxCount === undefined ? [] : [`the latest ${maxCount}`]
  const how = [...age, ...count].join(', ')
  return `${what}${whose}: ${how === '' ? 'for ever' : how}`
}

const describe = (field: string, { value, reason }: ListEntry): object => ({
  [field]: value,
  ...(reason === '' ? {} : { reason }),
})

/** Stored events that somebody has reported (NIP-56) and no owner has judged yet, latest report first. */
async function reportedEvents({
  lists,
  source,
}: Pick<HttpHost, 'lists' | 'source'>): Promise<{ id: string; reason: string }[]> {
  const filter = { filter: { kinds: new Set([REPORT]) }, remaining: MAX_REPORTS, capped: false }
  const { events } = await source.store.query({ filters: [filter], keys: [], now: source.now() })
  const reasons = new Map<string, string>()
  for (const text of events) {
    const report = parseEventText(text)
    if (!report.ok) continue
    for (const [id, type] of reportedBy(report.value.tags))
      if (!reasons.has(id) && !lists.isEventBanned(id) && !lists.isEventAllowed(id))
        reasons.set(id, [type, report.value.content].filter(part => part !== '').join(': '))
  }
  const ids = [...reasons.keys()]
  const seqs = await source.store.seqsOf(ids)
  return ids.filter((_, index) => seqs[index] !== undefined).map(id => ({ id, reason: reasons.get(id) ?? '' }))
}

const reportedBy = (tags: readonly Tag[]): [id: string, type: string][] =>
  tags.flatMap(([name, id, type]): [string, string][] => (name === 'e' && isHex64(id) ? [[id, type ?? '']] : []))

function requireHex(value: unknown, what: string): string {
  if (!isHex64(value)) throw new CallError(`the first parameter is ${what}, 64 lowercase hex characters`)
  return value
}

function requireText(value: unknown, what: string): string {
  if (typeof value !== 'string' || !value.isWellFormed() || byteLength(value) > MAX_TEXT_BYTES)
    throw new CallError(`the first parameter is ${what}, a string of at most ${MAX_TEXT_BYTES} bytes`)
  return value
}

function optionalText(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string' || !value.isWellFormed() || byteLength(value) > MAX_TEXT_BYTES)
    throw new CallError(`the reason is a string of at most ${MAX_TEXT_BYTES} bytes`)
  return value
}

function requireWebUrl(value: unknown): string {
  const text = requireText(value, 'the URL of the new icon')
  if (text !== '' && !(URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)))
    throw new CallError('the first parameter is an http(s) URL, or empty for no icon')
  return text
}

function requireKind(value: unknown): number {
  if (!isCount(value) || value > 65_535) throw new CallError('the first parameter is a kind, 0 to 65535')
  return value
}

const asCallError = (done: Promise<void>): Promise<void> =>
  done.catch(error => {
    throw error instanceof RangeError ? new CallError(error.message, { cause: error }) : error
  })
