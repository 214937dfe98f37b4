import type { Cancel } from '../../../platform/timers.ts'
import type { Table } from '../../tables.ts'
import { canonical, EMPTY, type Entry, type Json, joinEntries, type OwnedRecord } from './record.ts'
import { nameOfKey } from './typed.ts'
import type { StateChange } from './types.ts'
import { type Weight, weighed, weightOfAll } from './weight.ts'

/** One author's record as this agent has it, kept in its store. */
export interface Section {
  readonly author: string
  readonly record: OwnedRecord
  readonly weight: Weight
  /** Goes up with every change of the record. */
  readonly version: number
  /** Returns whether anything changed. To be called inside a transaction. */
  join(other: OwnedRecord): boolean
  subscribe(key: string | undefined, listener: (change: StateChange) => void): Cancel
  /** Tells what changed since it was last called. */
  tell(extra?: Iterable<string>): void
}

interface BaseRow {
  readonly base: string
}

export function createSection(author: string, entries: Table<Entry>, bases: Table<BaseRow>): Section {
  const listeners = new Set<{ readonly key: string | undefined; run(change: StateChange): void }>()
  /** Values as they were when they were last told of. */
  let changed = new Map<string, Json>()
  let weight = weightOfAll(entries)
  let version = 0
  let base = bases.get(author)?.base ?? EMPTY.base

  function note(key: string, before: Entry | undefined): void {
    if (!changed.has(key)) changed.set(key, before?.value ?? null)
  }

  return {
    author,
    get record() {
      return { base, entries }
    },
    get weight() {
      return weight
    },
    get version() {
      return version
    },
    join(other) {
      let any = false
      if (other.base > base) {
        base = other.base
        any = true
        bases.set(author, { base })
        for (const [key, entry] of [...entries]) {
          if (entry.session >= base) continue
          entries.delete(key)
          weight = weighed(weight, key, entry.value, -1)
          note(key, entry)
        }
      }
      for (const [key, entry] of other.entries) {
        if (entry.session < base) continue
        const before = entries.get(key)
        if (before && joinEntries(before, entry) === before) continue
        weight = weighed(weighed(weight, key, before?.value, -1), key, entry.value, 1)
        entries.set(key, entry)
        note(key, before)
        any = true
      }
      if (any) version += 1
      return any
    },
    subscribe(key, run) {
      const listener = { key, run }
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    tell(extra = []) {
      const news = [...changed].filter(([key, was]) => canonical(was) !== canonical(entries.get(key)?.value ?? null))
      const keys = new Set([...news.map(([key]) => key), ...extra])
      changed = new Map()
      const told = new Map<string, StateChange>()
      for (const key of keys) {
        const { kind, name } = nameOfKey(key)
        told.set(`${kind} ${name}`, Object.freeze({ author, kind, name }))
      }
      for (const change of told.values())
        for (const { key, run } of [...listeners]) if (key === undefined || key === change.name) safely(run, change)
    },
  }
}

function safely(run: (change: StateChange) => void, change: StateChange): void {
  try {
    run(change)
  } catch (error) {
    // The program's own mistake must surface, but not in the middle of our bookkeeping.
    queueMicrotask(() => {
      throw error
    })
  }
}
