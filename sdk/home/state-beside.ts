import { existsSync } from 'node:fs'
import { systemClock } from '../../platform/clock.ts'
import { checkEntry, plainKey } from '../state/owned/check.ts'
import { keptContent } from '../state/owned/kept.ts'
import type { Json } from '../state/owned/record.ts'
import type { StateContent } from '../state/owned/types.ts'
import { OWN_RECORD, PRIVATE_RECORD } from '../state/record-names.ts'
import { homeFiles } from './paths.ts'
import { readProfile } from './profile.ts'
import { layOrder } from './spool.ts'
import { openSqliteStateStore } from './sqlite-state-store.ts'

/** The own state of a home beside its running agent, which is handed every change and makes it within a moment. */
export interface StateBeside {
  entries(): StateContent
  /** `null` removes. Throws StateError. */
  update(values: Readonly<Record<string, Json>>): void
}

export function stateBeside(
  home: string,
  { private: isPrivate = false }: { readonly private?: boolean } = {},
): StateBeside {
  const o = isPrivate ? PRIVATE_RECORD : OWN_RECORD
  return {
    entries() {
      const { state } = homeFiles(home)
      if (!existsSync(state)) return Object.freeze({ values: {}, counters: {}, sets: {}, gauges: {} })
      const store = openSqliteStateStore(state, { readonly: true })
      try {
        return keptContent(store, o, readProfile(home).pubkey, systemClock.now())
      } finally {
        store.close()
      }
    },
    update(values) {
      for (const [key, value] of Object.entries(values)) checkEntry(plainKey(key), value)
      layOrder(home, { state: values, private: isPrivate })
    },
  }
}
