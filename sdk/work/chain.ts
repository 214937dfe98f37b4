import type { NostrEvent } from '../../protocol/event.ts'
import { isInitiating, mayReply } from '../acts.ts'
import { ChainError } from '../errors.ts'
import { loadSeldom } from '../load-seldom.ts'
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
  if (mail.root === undefined && mail.replyTo === undefined) return undefined
  const { ownAncestor } = await loadSeldom()
  const own = await ownAncestor(mail, options)
  return own === undefined ? undefined : `loop: this agent is in the chain already, by its message ${own}`
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
  // Units are others' words: `constructor` is one like any other.
  const used = new Map<string, number>()
  const left = (unit: string) =>
    Math.max(0, (amountOf(budget, unit) ?? Number.POSITIVE_INFINITY) - (used.get(unit) ?? 0))
  const take = (amounts: Amounts) => {
    for (const [unit, amount] of Object.entries(amounts)) {
      if (!(amount >= 0)) throw new RangeError(`an amount of ${unit} is a number from 0 up.`)
      if (amount > left(unit))
        throw new ChainError(
          'over-budget',
          `${amount} ${unit} are asked for, ${left(unit)} are left of this message's budget.`,
        )
    }
    for (const [unit, amount] of Object.entries(amounts)) used.set(unit, (used.get(unit) ?? 0) + amount)
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
        const unused = Math.max(0, amount - (amountOf(spent, unit) ?? amount))
        used.set(unit, Math.max(0, (used.get(unit) ?? 0) - unused))
      }
    },
    spent() {
      const amounts = [...used]
      return amounts.some(([, amount]) => amount > 0) ? Object.freeze(Object.fromEntries(amounts)) : undefined
    },
  }
}

const amountOf = (amounts: Amounts | undefined, unit: string): number | undefined =>
  amounts && Object.hasOwn(amounts, unit) ? amounts[unit] : undefined
