/** The code of an error of Node or of SQLite, e.g. `ENOENT`, `SQLITE_FULL`; `'undefined'` if it has none. */
export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code)

/** There is no room to write: the disk is full, or the database has reached its limit. */
export const isFull = (error: unknown): boolean => codeOf(error) === 'SQLITE_FULL'
