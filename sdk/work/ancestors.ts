import { type NostrEvent, parseEvent, tagValue } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { isRecord, parseJson } from '../../protocol/json.ts'
import { isInitiating } from '../acts.ts'
import type { MailStore, StoredMail } from '../mail/store.ts'
import type { ChainOptions } from './chain.ts'

/** The id of this agent's own initiating message in the readable chain above. Where the chain cannot be read on, it ends: hops decide then. */
export async function ownAncestor(
  mail: StoredMail,
  { pubkey, store, maxHops, lookup }: ChainOptions,
): Promise<string | undefined> {
  // An own message as the conversation's first is proof without the steps between.
  const first = mail.root === undefined ? undefined : sentEvent(store, mail.root)
  if (first && isInitiating(actOf(first))) return first.id
  const seen = new Set([mail.id])
  let parent = mail.replyTo
  for (let steps = 0; parent !== undefined && !seen.has(parent) && steps <= maxHops; steps += 1) {
    seen.add(parent)
    const event = sentEvent(store, parent) ?? receivedEvent(store, parent) ?? (await lookup?.(parent))
    if (!event) return undefined
    if (event.pubkey === pubkey && isInitiating(actOf(event))) return event.id
    parent = parentOf(event)
  }
  return undefined
}

const sentEvent = (store: MailStore, id: string) => parsed(store.sent(id)?.event)
const receivedEvent = (store: MailStore, id: string) => parsed(store.get(id)?.event)

/** Kept by us, so it was verified; a rumor has no signature. */
function parsed(text: string | undefined): NostrEvent | undefined {
  const json = text === undefined ? undefined : parseJson(text)
  const event = json?.ok && isRecord(json.value) ? parseEvent({ sig: '0'.repeat(128), ...json.value }) : undefined
  return event?.ok ? event.value : undefined
}

const actOf = (event: NostrEvent): string => tagValue(event, 'y') ?? ''

function parentOf(event: NostrEvent): string | undefined {
  const marked = (marker: string) => event.tags.find(tag => tag[0] === 'e' && tag[3] === marker && isHex64(tag[1]))?.[1]
  return marked('reply') ?? marked('root')
}
