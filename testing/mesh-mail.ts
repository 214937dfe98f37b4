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

/** A table that gives the same copy of itself until it changes. */
class Copied<Row extends object> extends Map<string, Row> {
  #copy: ReadonlyMap<string, Row> | undefined
  override set(key: string, row: Row): this {
    this.#copy = undefined
    return super.set(key, row)
  }
  override delete(key: string): boolean {
    this.#copy = undefined
    return super.delete(key)
  }
  copy(): ReadonlyMap<string, Row> {
    this.#copy ??= new Map(this)
    return this.#copy
  }
}

export function createMeshMail(from?: MailSnapshot): MeshMail {
  const tables = new Map<string, Copied<object>>()
  let last: MailSnapshot | undefined
  const open = <Row extends object>(name: string) => {
    const known = tables.get(name)
    if (known) return known as Copied<Row>
    const table = new Copied<Row>()
    for (const [key, row] of from?.rows.get(name) ?? []) table.set(key, row as Row)
    tables.set(name, table as Copied<object>)
    return table
  }
  // What nobody has opened since is in the copy of a copy, too.
  for (const name of from?.rows.keys() ?? []) open(name)
  return {
    store: createMemoryMailStore(open),
    state: tableStateStore(name => open(`state ${name}`)),
    snapshot() {
      const rows = new Map([...tables].map(([name, table]) => [name, table.copy()]))
      const isSame = [...rows].every(([name, copy]) => last?.rows.get(name) === copy)
      last = last && isSame ? last : { rows }
      return last
    },
  }
}
