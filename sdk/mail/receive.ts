import type { Verifier } from '../../platform/verifier.ts'
import { type NostrEvent, tagValue, tagValues } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import {
  CHAT_FILE,
  CHAT_MESSAGE,
  EPHEMERAL_MESSAGE,
  EPHEMERAL_WRAP,
  GIFT_WRAP,
  MESSAGE,
  RECEIPT,
} from '../../protocol/kinds.ts'
import { andThen, type MaybePromise } from '../identity/signer.ts'
import type { Received } from '../link/feed.ts'
import { readMessage } from './message.ts'
import { readReceipt } from './receipt.ts'
import type { Sealer } from './seal.ts'
import type { Mail, Seen } from './store.ts'
import type { Receipt } from './types.ts'
import { encodeRumor, rumorIn, sealIn } from './wrap.ts'

export interface Opening {
  readonly relay: string
  /** The own key, 64 hex. */
  readonly pubkey: string
  readonly sealer: Sealer
  readonly verifier: Verifier
}

/** What a batch held. `unreadable` wraps have no sender that could be named, and are dropped. */
export interface Opened {
  readonly mail: readonly Mail[]
  readonly receipts: readonly Receipt[]
  /** Events that are known by another id than what they hold, or by none. */
  readonly seen: readonly Seen[]
  readonly unreadable: number
}

/** Opens a batch of VERIFIED events addressed to us. At once where nothing has to be waited for; rejects if the key cannot be asked. */
export function readMail(events: readonly Received[], opening: Opening): MaybePromise<Opened> {
  const read = events.map((received): MaybePromise<Read> => {
    switch (received.event.kind) {
      case GIFT_WRAP:
      case EPHEMERAL_WRAP:
        return unwrap(received, opening)
      case RECEIPT:
        return readReceipt(received.event, opening.sealer)
      default:
        return readMessage(received.event, originOf(received, opening), opening.sealer)
    }
  })
  const seen = events.flatMap(({ event: { kind, id, created_at } }) =>
    kind === GIFT_WRAP || kind === RECEIPT ? [{ id, at: created_at }] : [],
  )
  return read.some(one => one instanceof Promise)
    ? Promise.all(read).then(all => collect(all, seen))
    : collect(read as Read[], seen)
}

/** `own`: a copy that this key sent from elsewhere. */
type Unread = 'unreadable' | 'own'
type Read = Mail | readonly Receipt[] | Unread

const collect = (read: readonly Read[], seen: readonly Seen[]): Opened => ({
  mail: read.filter(isMail),
  receipts: read.filter(isReceipts).flat(),
  seen,
  unreadable: read.filter(one => one === 'unreadable').length,
})

const isMail = (one: Read): one is Mail => typeof one !== 'string' && !isReceipts(one)
const isReceipts = (one: Read): one is readonly Receipt[] => Array.isArray(one)

const originOf = ({ seq }: Received, { relay }: Opening) => ({ relay, ...(seq === undefined ? {} : { seq }) })

async function unwrap(received: Received, opening: Opening): Promise<Read> {
  const { sealer, verifier, pubkey } = opening
  const seal = sealIn(await sealer.open(received.event.content, received.event.pubkey))
  if (!seal) return 'unreadable'
  const [holds] = await verifier.verify([seal])
  if (holds !== true) return 'unreadable'
  const rumor = rumorIn(await sealer.open(seal.content, seal.pubkey), seal)
  if (!rumor) return 'unreadable'
  if (rumor.pubkey === pubkey && !tagValues(rumor, 'p').includes(pubkey)) return 'own'
  return mailIn(rumor, received, opening)
}

function mailIn(rumor: NostrEvent, received: Received, opening: Opening): MaybePromise<Read> {
  const origin = originOf(received, opening)
  // What was to be forgotten is not kept, what was to be kept is not passed by.
  if ((received.event.kind === EPHEMERAL_WRAP) !== (rumor.kind === EPHEMERAL_MESSAGE)) return 'unreadable'
  switch (rumor.kind) {
    case MESSAGE:
    case EPHEMERAL_MESSAGE:
      return andThen(readMessage(rumor, origin, opening.sealer), mail => ({
        ...mail,
        private: true,
        wrap: 'agent' as const,
        event: encodeRumor(rumor),
      }))
    case RECEIPT:
      return andThen(readReceipt(rumor, opening.sealer), receipts =>
        receipts.map(receipt => ({ ...receipt, private: true })),
      )
    case CHAT_MESSAGE:
    case CHAT_FILE:
      return chatIn(rumor, origin)
    default:
      return 'unreadable'
  }
}

/** NIP-17: a person's, or any other client's. A file is its URL; how to decrypt it stands in the tags of the event. */
function chatIn(rumor: NostrEvent, origin: { readonly relay: string; readonly seq?: number }): Mail {
  const parent = tagValue(rumor, 'e')
  return {
    id: rumor.id,
    from: rumor.pubkey,
    text: rumor.content,
    act: 'inform',
    at: rumor.created_at,
    private: true,
    wrap: 'chat',
    event: encodeRumor(rumor),
    ...(isHex64(parent) ? { replyTo: parent } : {}),
    ...(rumor.kind === CHAT_FILE ? { contentType: 'message/external-body' } : {}),
    ...origin,
  }
}
