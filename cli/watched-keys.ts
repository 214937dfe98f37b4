import type { LookingAround } from './lookout.ts'

/** Whose presence is asked for: those named, else all contacts, each once. */
export const watchedKeys = async (
  named: readonly string[],
  { contacts, self, find }: LookingAround,
): Promise<readonly string[]> => [
  ...new Set(
    named.length > 0
      ? await Promise.all(named.map(find))
      : contacts.map(({ pubkey }) => pubkey).filter(pubkey => pubkey !== self),
  ),
]
