import { resolveRecipient } from '../sdk/index.ts'
import type { LookingAround } from './lookout.ts'

/** Whose presence is asked for: those named, else all contacts, each once. */
export const watchedKeys = (named: readonly string[], { contacts, self }: LookingAround): readonly string[] => [
  ...new Set(
    named.length > 0
      ? named.map(who => resolveRecipient(who, contacts))
      : contacts.map(({ pubkey }) => pubkey).filter(pubkey => pubkey !== self),
  ),
]
