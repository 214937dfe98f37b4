/**
 * Rows of one kind by key, in the order they were first set. A row is replaced, never changed in place: a store that
 * persists its tables sees `set` and `delete` alone.
 */
export type Table<Row extends object> = Omit<Map<string, Readonly<Row>>, 'clear'>

/** Gives the table of that name, with what was kept in it. Called once per name. */
export type OpenTable = <Row extends object>(name: string) => Table<Row>

/** Tables that last as long as they are referred to. */
export const memoryTable: OpenTable = <Row extends object>(): Table<Row> => new Map()
