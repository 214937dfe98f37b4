import { createRequire } from 'node:module'

/** What we use of better-sqlite3, written here so that our published types need none of its. */
export interface Database {
  readonly inTransaction: boolean
  prepare(sql: string): Statement
  exec(sql: string): unknown
  pragma(sql: string, options?: { readonly simple?: boolean }): unknown
  /** Wraps `run` in a transaction, or in a savepoint inside one; a throw rolls back. */
  transaction<A extends unknown[], R>(run: (...args: A) => R): Transaction<A, R>
  /** Makes a function known to SQL, for this connection. */
  function(
    name: string,
    options: { readonly deterministic: boolean; readonly varargs: boolean },
    run: SqlFunction,
  ): unknown
  close(): unknown
}

/** Values and results are null, numbers, texts or bytes. */
export type SqlFunction = (...values: unknown[]) => unknown

export interface Transaction<A extends unknown[], R> {
  (...args: A): R
  immediate(...args: A): R
}

export interface Statement {
  run(...parameters: unknown[]): { readonly changes: number; readonly lastInsertRowid: number | bigint }
  get(...parameters: unknown[]): unknown
  all(...parameters: unknown[]): unknown[]
  iterate(...parameters: unknown[]): IterableIterator<unknown>
  /** Rows become their first column. */
  pluck(): this
  /** Rows become arrays. */
  raw(): this
}

export interface DriverOptions {
  readonly readonly?: boolean
  readonly fileMustExist?: boolean
  /** How long a locked database is waited for, ms; default 5000. */
  readonly timeout?: number
}
export type Driver = new (path: string, options?: DriverOptions) => Database

/** N-API level from which better-sqlite3 13's prebuilt binary runs; below it (Node 20) that binary crashes the process. */
const PREBUILT_NAPI = 10

/**
 * better-sqlite3 13 is prebuilt and has no install script, but needs Node 22; 12 is kept beside it for Node 20
 * (docs/architecture.md, "Dependencies"). Same API.
 */
export function loadDriver(): Driver {
  const require = createRequire(import.meta.url)
  const napi = Number(process.versions['napi'] ?? 0)
  if (napi >= PREBUILT_NAPI || process.versions['bun'] !== undefined) return require('better-sqlite3') as Driver
  try {
    const Built = require('better-sqlite3-node20') as Driver
    new Built(':memory:').close()
    return Built
  } catch (cause) {
    throw new Error(
      `SQLite for Node ${process.versions.node} is not built. Either use Node 22 or later, or allow its build: npm rebuild better-sqlite3-node20`,
      { cause },
    )
  }
}
