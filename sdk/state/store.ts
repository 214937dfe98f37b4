import { memoryTable, type OpenTable, type Table } from '../tables.ts'

/** What an agent keeps of its state and of others': tables by name. All implementations pass test/sdk/state/state-store.test.ts. */
export interface StateStore {
  /** The same table at every call. Its rows are replaced, never changed in place. */
  readonly open: OpenTable
  /** What `run` changes is kept together or not at all; durable when it returns, or, where `durable` exists, once that resolves. */
  transaction<T>(run: () => T): T
  /** Only where writing is asynchronous (IndexedDB): resolves when everything written so far is kept. Rejects with why it could not be. */
  durable?(): Promise<void>
  close(): void
}

/** On tables that are kept by somebody else; without any they last as long as the object. */
export function tableStateStore(open: OpenTable = memoryTable, rest: Partial<StateStore> = {}): StateStore {
  const tables = new Map<string, unknown>()
  return {
    transaction: run => run(),
    close() {},
    ...rest,
    open<Row extends object>(name: string): Table<Row> {
      const known = tables.get(name) as Table<Row> | undefined
      if (known) return known
      const opened = open<Row>(name)
      tables.set(name, opened)
      return opened
    },
  }
}
