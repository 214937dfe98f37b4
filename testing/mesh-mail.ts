import { createMemoryMailStore, type MailStore } from '../sdk/index.ts'
import { type StateStore, tableStateStore } from '../sdk/state/store.ts'

type Rows = ReadonlyMap<string, ReadonlyMap<string, object>>

/** An agent's mail and state as they were at one moment, to wake it (or a clone of it) on later. */
export interface MailSnapshot {
  /** Rows by table and key. They are replaced, never changed, so a copy of the maps is a copy of all. */
  readonly rows: Rows
}

/** Memory mail and state that can be copied. */
export interface MeshMail {
  readonly store: MailStore
  readonly state: StateStore
  snapshot(): MailSnapshot
}

export function createMeshMail(from?: MailSnapshot): MeshMail {
  const tables = new Map<string, Map<string, object>>()
  const open = <Row extends object>(name: string) => {
    const known = tables.get(name)
    if (known) return known as Map<string, Row>
    const table = new Map<string, Row>(from?.rows.get(name) as ReadonlyMap<string, Row> | undefined)
    tables.set(name, table)
    return table
  }
  // What nobody has opened since is in the copy of a copy, too.
  for (const name of from?.rows.keys() ?? []) open(name)
  return {
    store: createMemoryMailStore(open),
    state: tableStateStore(name => open(`state ${name}`)),
    snapshot: () => ({ rows: new Map([...tables].map(([name, table]) => [name, new Map(table)])) }),
  }
}
