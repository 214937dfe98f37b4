import { type Clock, seconds } from '../../platform/clock.ts'
import { type Random, randomFloat } from '../../platform/random.ts'
import {
  byteLength,
  type EventTemplate,
  encodeEvent,
  eventId,
  hasValidId,
  type NostrEvent,
  parseEvent,
  parseEventText,
} from '../../protocol/event.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { EPHEMERAL_WRAP, GIFT_WRAP, SEAL } from '../../protocol/kinds.ts'
import { MessageError } from '../errors.ts'
import { localSigner } from '../identity/local-signer.ts'
import type { Signer } from '../identity/signer.ts'
import { makeSecretKey } from '../secret-key.ts'

/** An event that nobody signed (NIP-59): its author is vouched for by the seal around it, and can deny it to others. */
export interface Rumor extends EventTemplate {
  readonly id: string
  readonly pubkey: string
}

/** A rumor that still fits the content limit once padded, sealed, padded and wrapped, as JSON in bytes. */
export const MAX_RUMOR = 20_480
/** NIP-59: seal and wrap are dated back by up to so much, so that times tell nobody who talks to whom. Seconds. */
export const DATED_BACK = 2 * 24 * 3600
const NO_SIGNATURE = '0'.repeat(128)

export interface Wrapping {
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
}

export const rumorOf = (pubkey: string, template: EventTemplate): Rumor => ({
  id: eventId(pubkey, template),
  pubkey,
  created_at: template.created_at,
  kind: template.kind,
  tags: template.tags,
  content: template.content,
})

export interface WrapOptions {
  /** Seconds since 1970. */
  readonly expires?: number | undefined
  /** Not to be kept (kind 21059). It says nothing by its time: it is there when it is sent. */
  readonly ephemeral?: boolean | undefined
}

export interface Wrapped {
  readonly event: NostrEvent
  /** What is inside. With it the rumor can be wrapped once more: the key of a wrap is used once, and forgotten. */
  readonly seal: NostrEvent
}

/** Seals a rumor for one key and wraps it by a key that is used once. Rejects with {@link MessageError}. */
export async function wrapRumor(
  rumor: Rumor,
  to: string,
  wrapping: Wrapping,
  options: WrapOptions = {},
): Promise<Wrapped> {
  const { signer } = wrapping
  const text = JSON.stringify(rumor)
  const bytes = byteLength(text)
  if (bytes > MAX_RUMOR)
    throw new MessageError(
      'message-too-large',
      `the message has ${bytes} bytes with its tags, a wrapped one holds ${MAX_RUMOR}; send it in parts, or a reference to it.`,
    )
  const seal = await signer.sign({
    kind: SEAL,
    created_at: datedBack(wrapping),
    tags: [],
    content: await signer.encrypt(text, to),
  })
  return { event: wrapSeal(seal, to, wrapping, options), seal }
}

/** By a key of its own, dated by the clock as it is. */
export function wrapSeal(
  seal: NostrEvent,
  to: string,
  wrapping: Pick<Wrapping, 'clock' | 'random'>,
  { expires, ephemeral }: WrapOptions,
): NostrEvent {
  const { clock, random } = wrapping
  const once = localSigner(makeSecretKey(random), random)
  return once.sign({
    kind: ephemeral ? EPHEMERAL_WRAP : GIFT_WRAP,
    created_at: ephemeral ? seconds(clock) : datedBack(wrapping),
    tags: [['p', to], ...(expires === undefined ? [] : [['expiration', String(expires)]])],
    content: once.encrypt(encodeEvent(seal), to),
  })
}

const datedBack = ({ clock, random }: Pick<Wrapping, 'clock' | 'random'>): number =>
  seconds(clock) - Math.floor(randomFloat(random) * DATED_BACK)

/** The seal in an opened wrap, by its shape alone: its signature is still to be verified. */
export function sealIn(text: string | undefined): NostrEvent | undefined {
  const event = parseEventText(text ?? '')
  return event.ok && event.value.kind === SEAL ? event.value : undefined
}

/**
 * The rumor in an opened seal whose signature holds. Undefined unless it is by the author of the seal (anybody can write any
 * pubkey into a rumor) and its id is its hash.
 */
export function rumorIn(text: string | undefined, seal: NostrEvent): NostrEvent | undefined {
  const json = parseJson(text ?? '')
  if (!json.ok || !isRecord(json.value) || own(json.value, 'pubkey') !== seal.pubkey) return undefined
  const rumor = parseEvent({ ...json.value, sig: NO_SIGNATURE })
  return rumor.ok && hasValidId(rumor.value) ? rumor.value : undefined
}

/** A rumor as it is kept: without the field for a signature. */
export const encodeRumor = ({ id, pubkey, created_at, kind, tags, content }: Rumor): string =>
  JSON.stringify({ id, pubkey, created_at, kind, tags, content })
