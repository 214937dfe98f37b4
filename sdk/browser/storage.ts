import type { Agent } from '../api.ts'
import type { StorageError } from '../errors.ts'

/** One database of a profile. */
export interface Kept {
  fault(): StorageError | undefined
  restore(): Promise<void>
}

/** All databases of an open profile, and what hears of their faults. */
export interface ProfileStorage {
  add(kept: Kept): void
  /** Something changed in one of them. */
  readonly changed: () => void
  fault(): StorageError | undefined
  watch(onChange: () => void): void
  restore(): Promise<void>
}

export function createProfileStorage(): ProfileStorage {
  const all: Kept[] = []
  let listener = () => {}
  return {
    add: kept => void all.push(kept),
    changed: () => listener(),
    fault: () => all.map(kept => kept.fault()).find(fault => fault !== undefined),
    watch(onChange) {
      listener = onChange
    },
    async restore() {
      for (const kept of all) await kept.restore()
    },
  }
}

const storages = new WeakMap<Agent, ProfileStorage>()

/** So that {@link restoreStorage} finds it. */
export const rememberStorage = (agent: Agent, storage: ProfileStorage): void => void storages.set(agent, storage)

/**
 * Writes everything that an open agent knows into the browser's storage again: its key, if that was kept there, mail, contacts and state.
 * For an agent whose `status().storage` is `storage-gone`. Rejects with StorageError if it cannot be kept.
 *
 * @example
 * agent.on('status', ({ storage }) => storage === 'storage-gone' && confirm('Keep this profile?') && restoreStorage(agent))
 */
export async function restoreStorage(agent: Agent): Promise<void> {
  await storages.get(agent)?.restore()
}
