import { createMemoryMailStore, type MailStore } from '../sdk/index.ts'

type Rows = ReadonlyMap<string, ReadonlyMap<string, object>>

/** An agent's mail as it was at one moment, to wake it (or a clone of it) on later. */
export interface MailSnapshot {
  /** Rows by table and key. They are replaced, never changed, so a copy of the maps is a copy of all. */
  readonly rows: Rows
}

/** Memory mail that can be copied. */
export interface MeshMail {
  readonly store: MailStore
  snapshot(): MailSnapshot
}

export function createMeshMail(from?: MailSnapshot): MeshMail {
  const tables = new Map<string, Map<string, object>>()
  const store = createMemoryMailStore(<Row extends object>(name: string) => {
    const table = new Map<string, Row>(from?.rows.get(name) as ReadonlyMap<string, Row> | undefined)
    tables.set(name, table)
    return table
  })
  return {
    store,
    snapshot: () => ({ rows: new Map([...tables].map(([name, table]) => [name, new Map(table)])) }),
  }
}
