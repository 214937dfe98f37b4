import { createRequire } from 'node:module'
import type BetterSqlite3 from 'better-sqlite3'

export type Database = BetterSqlite3.Database
export type Statement = BetterSqlite3.Statement

/** N-API level from which better-sqlite3 13's prebuilt binary runs; below it (Node 20) that binary crashes the process. */
const PREBUILT_NAPI = 10

/**
 * better-sqlite3 13 is prebuilt and has no install script, but needs Node 22; 12 is kept beside it for Node 20
 * (docs/architecture.md, "Dependencies"). Same API.
 */
export function loadDriver(): typeof BetterSqlite3 {
  const require = createRequire(import.meta.url)
  const napi = Number(process.versions['napi'] ?? 0)
  if (napi >= PREBUILT_NAPI || process.versions['bun'] !== undefined)
    return require('better-sqlite3') as typeof BetterSqlite3
  try {
    const driver = require('better-sqlite3-node20') as typeof BetterSqlite3
    new driver(':memory:').close()
    return driver
  } catch (cause) {
    throw new Error(
      `SQLite for Node ${process.versions.node} is not built. Either use Node 22 or later, or allow its build: npm rebuild better-sqlite3-node20`,
      { cause },
    )
  }
}
