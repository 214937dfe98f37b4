import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Agent, StateView } from 'posthorn'
import { type Database, loadDriver } from '#dist/platform/sqlite-driver.js'
import type { WorldTime } from './clocks.ts'
import type { Place } from './place.ts'
import type { Fault, HomeFile, Plan } from './plan.ts'

/** A message that `send` or the command took. */
export interface Sent {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly text: string
  /** The sender's home was put back to before it. */
  isForgotten: boolean
}

/** A write that `set` or the command took; `value` undefined removes. */
export interface Write {
  readonly key: string
  readonly value: string | undefined
  isForgotten: boolean
  /** It was refused for a reason that does not say that it will not stand. */
  readonly isUnsure: boolean
}

export interface Home {
  readonly name: string
  readonly pubkey: string
  readonly folder: string
  readonly relays: readonly Place[]
  agent: Agent | undefined
  skewMs: number
  isFull: boolean
  damaged: { readonly file: HomeFile; readonly before: Buffer | undefined } | undefined
  /** Older copies: their folder, and how much had been sent and written by then. */
  readonly copies: { readonly folder: string; readonly sent: number; readonly writes: number }[]
  restores: number
  readonly sent: Sent[]
  readonly writes: Write[]
  /** How many of `writes` were there when its home was last put back. */
  writesAtRestore: number
  /** Its clock was ever wrong. */
  wasSkewed: boolean
  wasFull: boolean
  readonly views: Map<string, StateView>
  readonly names: Map<string, Set<string>>
}

/** Claims that are held against the oracle. */
export const CLAIMS = [
  'stored',
  'waits there',
  'queue empty',
  'close: nothing unsent',
  'outbox empty',
  'complete',
  'live',
  'received',
  'flushed',
  'not behind',
  'published',
  'all well',
  'exit 0',
  'answer',
  'at rest',
] as const
export type Claim = (typeof CLAIMS)[number]

export interface World {
  readonly plan: Plan
  readonly time: WorldTime
  readonly places: readonly Place[]
  readonly homes: Map<string, Home>
  /** What any home of a key ever had in its inbox. */
  readonly had: Map<string, Set<string>>
  readonly faults: string[]
  /** Faults that are open (known.ts), and how often they were met. */
  readonly known: Map<string, number>
  readonly held: Map<Claim, number>
  readonly exercised: Map<Fault, number>
  /** For planted lies: what an agent says goes through it. */
  readonly speak: (agent: Agent, home: Home) => Agent
  /** Needed a restart to come to rest. */
  restarts: number
}

export const count = <K>(counts: Map<K, number>, key: K, by = 1): void => {
  counts.set(key, (counts.get(key) ?? 0) + by)
}

export const homeOf = (world: World, name: string): Home => {
  const home = world.homes.get(name)
  if (!home) throw new Error(`no ${name}`)
  return home
}

/** What lies in a home's mail, read from the file beside whoever has it open. Undefined: it cannot be read. */
export function mailIn<T>({ folder }: Home, read: (db: Database) => T): T | undefined {
  const file = join(folder, 'mail.db')
  if (!existsSync(file)) return undefined
  try {
    const db = new (loadDriver())(file, { readonly: true, fileMustExist: true })
    try {
      return read(db)
    } finally {
      db.close()
    }
  } catch {
    return undefined
  }
}

const idsOf = (db: Database, sql: string): Set<string> => new Set(db.prepare(sql).pluck().all() as string[])

export const inboxOf = (home: Home): ReadonlySet<string> | undefined =>
  mailIn(home, db => idsOf(db, 'SELECT id FROM inbox'))

/** Sent messages of which the home says that they were given up, or that their recipient has them. */
export const endedIn = (home: Home): ReadonlySet<string> =>
  mailIn(home, db => {
    const given = idsOf(db, "SELECT id FROM outbox WHERE state IN ('refused', 'undeliverable', 'expired')")
    for (const id of idsOf(db, 'SELECT message FROM receipts')) given.add(id)
    return given
  }) ?? new Set()

/** Of those what was given up. */
export const deadIn = (home: Home): ReadonlySet<string> =>
  mailIn(home, db => idsOf(db, "SELECT id FROM outbox WHERE state IN ('refused', 'undeliverable')")) ?? new Set()

/**
 * The ids under which a sent message may be met: its own, and that of the event it was dated anew as after a wrong clock (the outbox keeps its
 * first id). Remembered: a receipt may end what the file knows.
 */
export function namesOf(home: Home, id: string): readonly string[] {
  if (!home.wasSkewed) return [id]
  const text = mailIn(home, db => db.prepare('SELECT event FROM outbox WHERE id = ?').pluck().get(id))
  const names = home.names.get(id) ?? new Set([id])
  home.names.set(id, names)
  if (typeof text === 'string') names.add((JSON.parse(text) as { id: string }).id)
  return [...names]
}
