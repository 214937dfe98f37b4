import { type NostrEvent, parseEvent, tagValue } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { isRecord, parseJson } from '../../protocol/json.ts'
import { isInitiating, mayReply } from '../acts.ts'
import { ChainError } from '../errors.ts'
import type { MailStore, StoredMail } from '../mail/store.ts'
import type { Amounts } from '../mail/types.ts'

export const MAX_HOPS = 5

/** Where a message stands: who is behind it, how far the chain went, what it may still use. */
export interface ChainOptions {
  readonly pubkey: string
  readonly store: MailStore
  readonly maxHops: number
  /** Looks for a message that is not in this agent's mail; what is found was verified. */
  lookup?(id: string): Promise<NostrEvent | undefined>
}

/**
 * Why an incoming message must not be worked on, with a machine-readable word before the colon; undefined if it may be.
 * `loops`: refuse if this agent itself began or passed on what now comes back to it.
 */
export async function chainFault(mail: StoredMail, loops: boolean, options: ChainOptions): Promise<string | undefined> {
  if (mayReply(mail.act) && (mail.hop ?? 0) > options.maxHops)
    return `hops: the chain has ${mail.hop} hops, at most ${options.maxHops} are allowed`
  if (!loops || !isInitiating(mail.act)) return undefined
  const own = await ownAncestor(mail, options)
  return own === undefined ? undefined : `loop: this agent is in the chain already, by its message ${own}`
}

/** The id of this agent's own initiating message in the readable chain above. Where the chain cannot be read on, it ends: hops decide then. */
async function ownAncestor(
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

/** What a message sent on behalf of another one inherits. */
export interface Inherited {
  readonly hop: number
  /** Seconds since 1970. */
  readonly expires?: number
}

/** Hop and deadline of a child. Throws {@link ChainError}. */
export function inherit(
  parent: StoredMail,
  child: { readonly act: string; readonly expires: number | undefined },
  now: { readonly seconds: number; readonly maxHops: number },
): Inherited {
  const hop = (parent.hop ?? 0) + (mayReply(child.act) ? 1 : 0)
  if (hop > now.maxHops)
    throw new ChainError(
      'hops',
      `this would be hop ${hop} of a chain, at most ${now.maxHops} are allowed; answer instead of passing it on.`,
    )
  const { deadline } = parent
  if (deadline === undefined) return { hop, ...(child.expires === undefined ? {} : { expires: child.expires }) }
  if (deadline <= now.seconds)
    throw new ChainError(
      'expired',
      `the deadline of message ${parent.id} has passed; nothing is sent on its behalf any more.`,
    )
  return { hop, expires: Math.min(deadline, child.expires ?? deadline) }
}

/** The budget of one message while a handler works on it: what it used, what it gave to children. */
export interface Account {
  /** Undefined: no budget was given, so nothing limits. */
  remaining(): Amounts | undefined
  /** Throws {@link ChainError} if less is left. */
  spend(amounts: Amounts): void
  /** Takes a child's budget out: `wanted`, or all that is left. */
  grant(wanted: Amounts | undefined): Amounts | undefined
  /** A child is done: what it says it did not use is there again. */
  settle(granted: Amounts | undefined, spent: Amounts | undefined): void
  /** Used up in all; undefined if nothing was. */
  spent(): Amounts | undefined
}

export function createAccount(budget: Amounts | undefined): Account {
  const used: Record<string, number> = {}
  const left = (unit: string) => Math.max(0, (budget?.[unit] ?? Number.POSITIVE_INFINITY) - (used[unit] ?? 0))
  const take = (amounts: Amounts) => {
    for (const [unit, amount] of Object.entries(amounts)) {
      if (!(amount >= 0)) throw new RangeError(`an amount of ${unit} is a number from 0 up.`)
      if (amount > left(unit))
        throw new ChainError(
          'over-budget',
          `${amount} ${unit} are asked for, ${left(unit)} are left of this message's budget.`,
        )
    }
    for (const [unit, amount] of Object.entries(amounts)) used[unit] = (used[unit] ?? 0) + amount
  }
  const remaining = () =>
    budget && Object.freeze(Object.fromEntries(Object.keys(budget).map(unit => [unit, left(unit)])))

  return {
    remaining,
    spend: take,
    grant(wanted) {
      if (!budget) return wanted
      const granted = { ...remaining(), ...wanted }
      take(granted)
      return granted
    },
    settle(granted, spent) {
      if (!budget || !granted || !spent) return
      for (const [unit, amount] of Object.entries(granted)) {
        const unused = Math.max(0, amount - (spent[unit] ?? amount))
        used[unit] = Math.max(0, (used[unit] ?? 0) - unused)
      }
    },
    spent: () => (Object.values(used).some(amount => amount > 0) ? Object.freeze({ ...used }) : undefined),
  }
}
