import { type EventTemplate, type NostrEvent, tagValue } from '../../../protocol/event.ts'
import { isHex64 } from '../../../protocol/hex.ts'
import { isCount, isRecord, own, parseJson } from '../../../protocol/json.ts'
import { DOC_CONTROL } from '../../../protocol/kinds.ts'
import { fail, ok, type Result } from '../../../protocol/result.ts'
import { isRole, type Role } from './roles.ts'

/** Each has its wrapped key in the event, which holds 48 KiB. */
export const MAX_MEMBERS = 100
const MAX_WRAP = 1_024

export interface Member {
  /** 64 hex. */
  readonly pubkey: string
  readonly role: Role
  /** The generation's key, sealed for this member by the event's author (NIP-44); none in public documents. */
  readonly wrap?: string
}

/** One control event (kind 4702): who is in from here on, and in which generation. It says everything anew. */
export interface Control {
  /** 64 hex. */
  readonly id: string
  readonly author: string
  /** Seconds since 1970, by its author's clock. */
  readonly at: number
  readonly o: string
  /** From 0; each event's is one above that of `previous`. */
  readonly n: number
  readonly previous?: string
  readonly generation: number
  /** In order of seniority: the earlier decides where two admins decide at the same time. */
  readonly members: readonly Member[]
  /** Hash of the generation's key, 64 hex; none: the document is public. */
  readonly commitment?: string
  /** Hash of the state that the generation starts with, 64 hex; none: it starts empty. */
  readonly base?: string
}

export type ControlDraft = Omit<Control, 'id' | 'author' | 'at'>

export function controlTemplate(draft: ControlDraft, at: number): EventTemplate {
  const { o, n, previous, generation, members, commitment, base } = draft
  return {
    kind: DOC_CONTROL,
    created_at: at,
    tags: [
      ['o', o],
      ['n', String(n)],
      ...(previous === undefined ? [] : [['e', previous]]),
      ['v', '1'],
      ...members.map(({ pubkey }) => ['p', pubkey]),
    ],
    content: JSON.stringify({
      generation,
      members: members.map(({ pubkey, role, wrap }) => (wrap === undefined ? [pubkey, role] : [pubkey, role, wrap])),
      ...(commitment === undefined ? {} : { key: commitment }),
      ...(base === undefined ? {} : { base }),
    }),
  }
}

/** Shape alone; what it may say where it stands is {@link ./chain.ts}'s matter. */
export function parseControl(event: NostrEvent): Result<Control> {
  if (event.kind !== DOC_CONTROL || tagValue(event, 'v') !== '1') return fail('not a control event of version 1')
  const o = tagValue(event, 'o')
  const number = tagValue(event, 'n') ?? ''
  const previous = tagValue(event, 'e')
  if (o === undefined || !/^\d{1,9}$/.test(number)) return fail('tags o and n are missing')
  const n = Number(number)
  if (n === 0 ? previous !== undefined : !isHex64(previous))
    return fail('tag e is that of every control event but the first')
  const json = parseJson(event.content)
  if (!json.ok || !isRecord(json.value)) return fail('content is no object')
  const generation = own(json.value, 'generation')
  const commitment = own(json.value, 'key')
  const base = own(json.value, 'base')
  if (!isCount(generation)) return fail('generation is no number')
  if (commitment !== undefined && !isHex64(commitment)) return fail('key is not 64 hex')
  if (base !== undefined && !isHex64(base)) return fail('base is not 64 hex')
  const members = parseMembers(own(json.value, 'members'), commitment !== undefined)
  if (!members.ok) return members
  return ok({
    id: event.id,
    author: event.pubkey,
    at: event.created_at,
    o,
    n,
    generation,
    members: members.value,
    ...(previous === undefined ? {} : { previous }),
    ...(commitment === undefined ? {} : { commitment }),
    ...(base === undefined ? {} : { base }),
  })
}

function parseMembers(value: unknown, wrapped: boolean): Result<readonly Member[]> {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_MEMBERS)
    return fail('members is no list of 1 to 100')
  const members = new Map<string, Member>()
  for (const entry of value as unknown[]) {
    const [pubkey, role, wrap] = Array.isArray(entry) ? (entry as unknown[]) : []
    if (!isHex64(pubkey) || !isRole(role) || members.has(pubkey)) return fail('a member is malformed or there twice')
    if (!wrapped) members.set(pubkey, { pubkey, role })
    else if (typeof wrap === 'string' && wrap.length <= MAX_WRAP) members.set(pubkey, { pubkey, role, wrap })
    else return fail('a member has no key')
  }
  return ok([...members.values()])
}
