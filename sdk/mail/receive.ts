import type { Verifier } from '../../platform/verifier.ts'
import { type NostrEvent, tagValue, tagValues } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { CHAT_FILE, CHAT_MESSAGE, GIFT_WRAP, MESSAGE } from '../../protocol/kinds.ts'
import { andThen, type MaybePromise } from '../identity/signer.ts'
import type { Received } from '../link/feed.ts'
import { readMessage } from './message.ts'
import type { Sealer } from './seal.ts'
import type { Mail } from './store.ts'
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
  readonly unreadable: number
}

/** Opens a batch of VERIFIED events addressed to us. At once where nothing has to be waited for; rejects if the key cannot be asked. */
export function readMail(events: readonly Received[], opening: Opening): MaybePromise<Opened> {
  const read = events.map(received =>
    received.event.kind === GIFT_WRAP
      ? unwrap(received, opening)
      : readMessage(received.event, originOf(received, opening), opening.sealer),
  )
  return read.some(one => one instanceof Promise) ? Promise.all(read).then(collect) : collect(read as (Mail | Unread)[])
}

/** `own`: a copy that this key sent from elsewhere. */
type Unread = 'unreadable' | 'own'

const collect = (read: readonly (Mail | Unread)[]): Opened => ({
  mail: read.filter(one => typeof one !== 'string'),
  unreadable: read.filter(one => one === 'unreadable').length,
})

const originOf = ({ seq }: Received, { relay }: Opening) => ({ relay, ...(seq === undefined ? {} : { seq }) })

async function unwrap(received: Received, opening: Opening): Promise<Mail | Unread> {
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

function mailIn(rumor: NostrEvent, received: Received, opening: Opening): MaybePromise<Mail | Unread> {
  const origin = originOf(received, opening)
  switch (rumor.kind) {
    case MESSAGE:
      return andThen(readMessage(rumor, origin, opening.sealer), mail => ({
        ...mail,
        private: true,
        wrap: 'agent' as const,
        event: encodeRumor(rumor),
      }))
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
