import { createMemoryMailStore } from '../mail/memory-store.ts'
import type { MailStore } from '../mail/store.ts'
import { type IdbTables, openIdbTables } from './idb-tables.ts'

/**
 * Mail in IndexedDB: a mirror in memory that is written behind, in order; see `durable` of {@link MailStore}. One user at a
 * time: two would overwrite each other's rows.
 */
export async function openIdbMailStore(
  name: string,
  factory = globalThis.indexedDB,
  onFault?: () => void,
): Promise<MailStore & Pick<IdbTables, 'fault' | 'restore'>> {
  const tables = await openIdbTables(factory, name, onFault)
  return {
    ...createMemoryMailStore(tables.open),
    durable: tables.durable,
    fault: tables.fault,
    restore: tables.restore,
    close: tables.close,
  }
}
