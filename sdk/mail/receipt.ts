import { byteLength, type EventTemplate, type NostrEvent, type Tag, tagValue } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { RECEIPT } from '../../protocol/kinds.ts'
import { andThen, type MaybePromise } from '../identity/signer.ts'
import { isReceiptState } from './receipt-order.ts'
import type { Sealer } from './seal.ts'
import type { Receipt, ReceiptState } from './types.ts'

/** Messages named by one receipt. */
export const MAX_RECEIPTED = 100
const MAX_TEXT_BYTES = 2_000
const VERSION = '1'
const SEALED: Tag = ['encrypted', 'nip44']

export interface ReceiptDraft {
  /** The sender of the messages, 64 hex. */
  readonly to: string
  readonly state: ReceiptState
  /** Ids of messages, at most {@link MAX_RECEIPTED}. */
  readonly of: readonly string[]
  readonly text?: string | undefined
  /** Seals the text: what it is about travelled sealed. */
  readonly private: boolean
  readonly tags?: readonly Tag[]
}

/** Builds the unsigned receipt (kind 4701). */
export function draftReceipt(draft: ReceiptDraft, createdAt: number, sealer: Sealer): MaybePromise<EventTemplate> {
  const text = shortened(draft.text ?? '')
  const sealed = draft.private && text !== ''
  return andThen(sealed ? sealer.seal(text, draft.to) : text, content => ({
    kind: RECEIPT,
    created_at: createdAt,
    tags: [
      ['p', draft.to],
      ['y', draft.state],
      ...draft.of.map(id => ['e', id]),
      ['v', VERSION],
      ...(sealed ? [SEALED] : []),
      ...(draft.tags ?? []),
    ],
    content,
  }))
}

/** Reads a VERIFIED receipt addressed to us: one for each message it names. None if its state is none. */
export function readReceipt(event: NostrEvent, sealer: Sealer): MaybePromise<Receipt[]> {
  const state = tagValue(event, 'y')
  if (!isReceiptState(state)) return []
  const of = new Set(event.tags.flatMap(([name, id]) => (name === 'e' && isHex64(id) ? [id] : [])))
  const sealed = event.tags.some(tag => tag[0] === SEALED[0])
  return andThen(sealed ? sealer.open(event.content, event.pubkey) : event.content, content => {
    const text = shortened(content ?? '')
    return [...of].slice(0, MAX_RECEIPTED).map(id =>
      Object.freeze({
        id: event.id,
        of: id,
        from: event.pubkey,
        state,
        at: event.created_at,
        private: sealed,
        ...(text === '' ? {} : { text }),
      }),
    )
  })
}

/** A reason is a line or two; whoever has more to say sends a message. */
function shortened(text: string): string {
  let short = text.toWellFormed()
  while (byteLength(short) > MAX_TEXT_BYTES) short = short.slice(0, Math.floor(short.length * 0.8)).toWellFormed()
  return short
}
