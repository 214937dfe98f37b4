import {
  byteLength,
  type EventTemplate,
  encodeEvent,
  expirationOf,
  type NostrEvent,
  type Tag,
  tagValue,
} from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { EPHEMERAL_MESSAGE, MESSAGE } from '../../protocol/kinds.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { MessageError } from '../errors.ts'
import { andThen, type MaybePromise } from '../identity/signer.ts'
import { envelopeTags, readEnvelope, topicPrefixes } from './envelope.ts'
import type { Sealer } from './seal.ts'
import type { Mail } from './store.ts'
import type { Envelope } from './types.ts'

/** Schema version of our messages (`v` tag). */
const VERSION = '1'
const PLAIN = 'text/plain'
/** Marks sealed content, so that clear text which merely looks sealed is never taken for it. */
const SEALED: Tag = ['encrypted', 'nip44']

export interface MessageDraft {
  /** 64 hex. Whose relays it goes to; named in the message unless it is a post to a topic. */
  readonly to: string
  /** Published in clear text to whoever subscribed to the topic of the envelope, and to nobody by name. */
  readonly isPost?: boolean | undefined
  readonly text: string
  readonly act: string
  readonly public: boolean
  /** The message this one answers, and its conversation's first. */
  readonly parent?: { readonly id: string; readonly root?: string } | undefined
  readonly contentType?: string | undefined
  /** Seconds since 1970. */
  readonly expires?: number | undefined
  readonly envelope?: Envelope | undefined
  /** The conversation's first message, where this one begins a branch of it and answers nothing. */
  readonly conversation?: string | undefined
  /** For whoever listens now; relays do not keep it. */
  readonly ephemeral?: boolean | undefined
  /** Where the sender reads, for a recipient that may not know it. */
  readonly relays?: readonly string[] | undefined
}

/** Builds the unsigned message (kind 4700, ephemeral 24700). Throws {@link MessageError}. */
export function draftMessage(draft: MessageDraft, createdAt: number, sealer: Sealer): MaybePromise<EventTemplate> {
  if (!draft.text.isWellFormed())
    throw new MessageError('message-malformed', 'the text has a lone surrogate, which UTF-8 cannot carry.')
  if (!/^[\w.:/@+-]{1,128}$/.test(draft.act))
    throw new MessageError('message-malformed', 'an act is 1 to 128 letters, digits and . : / @ + - _ without spaces.')
  return andThen(draft.public ? draft.text : sealer.seal(draft.text, draft.to), content =>
    templateOf(draft, createdAt, content),
  )
}

function templateOf(draft: MessageDraft, createdAt: number, content: string): EventTemplate {
  if (byteLength(content) > WIRE_LIMITS.contentBytes)
    throw new MessageError(
      'message-too-large',
      `the text has more than ${WIRE_LIMITS.contentBytes} bytes; send it in parts, or a reference to it.`,
    )
  const tags: Tag[] = [...addressTags(draft), ['y', draft.act], ...referenceTags(draft.parent), ['v', VERSION]]
  if (draft.conversation !== undefined && !draft.parent) tags.push(['conv', draft.conversation])
  tags.push(['m', draft.contentType ?? PLAIN])
  if (!draft.public) tags.push(SEALED)
  tags.push(...envelopeTags(draft.envelope ?? {}))
  if (!draft.isPost) tags.push(...(draft.relays ?? []).map(url => ['relay', url]))
  if (draft.expires !== undefined) tags.push(['expiration', String(draft.expires)])
  return { kind: draft.ephemeral ? EPHEMERAL_MESSAGE : MESSAGE, created_at: createdAt, tags, content }
}

/** `T` for each level, so that a filter finds a post by any prefix of its topic. Members' copies have none: they come by name. */
function addressTags({ isPost, to, envelope }: MessageDraft): Tag[] {
  if (!isPost) return [['p', to]]
  return topicPrefixes(envelope?.topic ?? '').map(prefix => ['T', prefix])
}

/** NIP-10: an answer to the first message has that one as `root` alone; deeper ones name both. */
function referenceTags(parent: MessageDraft['parent']): Tag[] {
  if (!parent) return []
  if (parent.root === undefined || parent.root === parent.id) return [['e', parent.id, '', 'root']]
  return [
    ['e', parent.root, '', 'root'],
    ['e', parent.id, '', 'reply'],
  ]
}

/** The event as relays take it, or a {@link MessageError} before anything was stored. */
export function encodeMessage(event: NostrEvent): string {
  const text = encodeEvent(event)
  if (byteLength(text) > WIRE_LIMITS.eventBytes)
    throw new MessageError(
      'message-too-large',
      `the message has more than ${WIRE_LIMITS.eventBytes} bytes; send it in parts.`,
    )
  return text
}

/** Where the sender of a message says that it reads (`relay` tags), unchecked. */
export const relaysNamed = ({ event }: Pick<Mail, 'event'>): string[] =>
  // Few have them, and thousands may come at once.
  event.includes('["relay",')
    ? (JSON.parse(event) as NostrEvent).tags.flatMap(([name, url]) => (name === 'relay' && url ? [url] : []))
    : []

/** Reads a VERIFIED message addressed to us. Whatever is wrong with it, it is kept, with `error`. */
export function readMessage(
  event: NostrEvent,
  origin: { readonly relay: string; readonly seq?: number },
  sealer: Sealer,
): MaybePromise<Mail> {
  const sealed = event.tags.some(tag => tag[0] === SEALED[0])
  return andThen(sealed ? sealer.open(event.content, event.pubkey) : event.content, text =>
    mailOf(event, origin, sealed, text),
  )
}

function mailOf(
  event: NostrEvent,
  origin: { readonly relay: string; readonly seq?: number },
  sealed: boolean,
  text: string | undefined,
): Mail {
  const { root, replyTo } = references(event)
  const contentType = tagValue(event, 'm')
  const deadline = expirationOf(event)
  return {
    ...readEnvelope(event),
    id: event.id,
    from: event.pubkey,
    text: text ?? '',
    act: tagValue(event, 'y') || 'inform',
    at: event.created_at,
    private: sealed,
    relay: origin.relay,
    event: encodeEvent(event),
    ...(root === undefined ? {} : { root }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(deadline === undefined ? {} : { deadline }),
    ...(origin.seq === undefined ? {} : { seq: origin.seq }),
    ...(text === undefined ? { error: 'cannot be decrypted with this profile’s key' } : {}),
  }
}

function references(event: NostrEvent): { root?: string; replyTo?: string } {
  const marked = (marker: string) => event.tags.find(tag => tag[0] === 'e' && tag[3] === marker && isHex64(tag[1]))?.[1]
  const first = marked('root')
  const replyTo = marked('reply') ?? first
  const conversation = tagValue(event, 'conv')
  const root = first ?? (isHex64(conversation) ? conversation : undefined)
  return { ...(root === undefined ? {} : { root }), ...(replyTo === undefined ? {} : { replyTo }) }
}
