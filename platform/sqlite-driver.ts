import { createRequire } from 'node:module'
import { missingCause, missingOnNode20, missingPrebuilt, packageManager } from './sqlite-missing.ts'

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
/** A file by its path, or the bytes of one: a database in memory. */
export type Driver = new (file: string | Uint8Array, options?: DriverOptions) => Database

/** N-API level from which better-sqlite3 13's prebuilt binary runs; below it (Node 20) that binary crashes the process. */
const PREBUILT_NAPI = 10

let loaded: Driver | undefined

/**
 * better-sqlite3 13 is prebuilt and has no install script, but needs Node 22; 12 is kept for Node 20
 * (docs/architecture.md, "Dependencies"). Same API. Throws an Error that names what is missing and what to do.
 */
export function loadDriver(): Driver {
  loaded ??= load(createRequire(import.meta.url))
  return loaded
}

function load(require: NodeJS.Require): Driver {
  const napi = Number(process.versions['napi'] ?? 0)
  const prebuilt = napi >= PREBUILT_NAPI || process.versions['bun'] !== undefined
  try {
    const Built = require(prebuilt ? 'better-sqlite3' : 'better-sqlite3-node20') as Driver
    new Built(':memory:').close() // The binary is loaded by the first database.
    return Built
  } catch (error) {
    const cause = missingCause(error)
    const message = prebuilt
      ? missingPrebuilt(cause, packageManager(), `${process.platform}-${process.arch}`)
      : missingOnNode20(cause, packageManager(), process.versions.node)
    throw new Error(message, { cause: error })
  }
}
