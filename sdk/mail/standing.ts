import type { Copy, Delivery } from './types.ts'

/**
 * The copies that decide what is said of a message: those at relays where its recipient is known to read; where none is known, all.
 * @example
 * owedOf(agent.copies(id)).filter(({ state }) => state === 'waiting') // what is still to be done
 */
export const owedOf = <C extends Pick<Copy, 'fallback'>>(copies: readonly C[]): readonly C[] =>
  copies.filter(({ fallback }) => !fallback)

/** What relays' answers to its copies make of a message: stored by one that counts, refused once all that count were, else queued. */
export function standingOf(copies: readonly Copy[]): Delivery {
  const owed = owedOf(copies)
  const stored = owed.find(({ state }) => state === 'stored')
  if (stored)
    return Object.freeze({
      state: 'stored',
      relay: stored.relay,
      ...(stored.seq === undefined ? {} : { seq: stored.seq }),
    })
  const last = owed.at(-1)
  return last && owed.every(({ state }) => state === 'refused')
    ? Object.freeze({ state: 'refused', relay: last.relay, reason: last.reason ?? '' })
    : Object.freeze({ state: 'queued' })
}
