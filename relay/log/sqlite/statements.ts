import type { Database, Statement } from '../../../platform/sqlite.ts'

/** Distinct statement texts kept prepared. */
const PREPARED = 128

/** A connection's statements, prepared once. Lists go into them as JSON, so that there are only a few texts. */
export class Statements {
  readonly #db: Database
  readonly #objects = new Map<string, Statement>()
  readonly #arrays = new Map<string, Statement>()
  readonly #values = new Map<string, Statement>()

  constructor(db: Database) {
    this.#db = db
  }

  /** Changes when another connection has committed; within a transaction it is that of its snapshot. */
  get version(): number {
    return Number(this.values('PRAGMA data_version').get())
  }

  /** Rows as objects. */
  get(sql: string): Statement {
    return this.#known(this.#objects, sql, statement => statement)
  }

  /** Rows as arrays, which cost half as much. */
  raw(sql: string): Statement {
    return this.#known(this.#arrays, sql, statement => statement.raw())
  }

  /** The only column of each row. */
  values(sql: string): Statement {
    return this.#known(this.#values, sql, statement => statement.pluck())
  }

  #known(kept: Map<string, Statement>, sql: string, shape: (statement: Statement) => Statement): Statement {
    const known = kept.get(sql)
    if (known !== undefined) return known
    if (kept.size >= PREPARED) kept.clear()
    const statement = shape(this.#db.prepare(sql))
    kept.set(sql, statement)
    return statement
  }
}
