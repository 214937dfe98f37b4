import type { Table } from '../../tables.ts'
import { canonical, compareVersions, type Json, type Version } from './record.ts'
import type { Section } from './section.ts'
import { type Entries, entriesOf } from './typed.ts'
import { type Weight, weighed } from './weight.ts'

/** A change that was made here and is not signed yet. */
export interface DraftRow {
  readonly value: Json
  /** Of the value it was made over, if there was one. */
  readonly over?: Version
}

interface Draft extends DraftRow {
  /** Made by an earlier process of this home, or by the one that this home was copied from. */
  readonly inherited: boolean
  /** A change of a number below this waits for a minute since the last one was told. */
  readonly epsilon?: number
}

/** What waits to be told, over what was. */
export interface Drafts {
  /** Reads through drafts to the record. */
  readonly entries: Entries
  readonly size: number
  /** What the record will weigh once they are written. `more`: and these. */
  weight(more?: Iterable<readonly [string, Json]>): Weight
  /** Kept by `keep`. `same`: it reads as before, and waits all the same. Undefined: there is nothing to do. */
  put(key: string, value: Json, epsilon?: number): 'new' | 'same' | undefined
  /** Writes what was put since the last time. Inside a transaction. */
  keep(): void
  /** What may be told now, until `settle` or `abort`; drafts that somebody with our key has overtaken are dropped. */
  due(held: (key: string, draft: Draft, isTold: boolean) => boolean): Map<string, Json>
  /** Told with exactly these values. Inside a transaction. */
  settle(told: ReadonlyMap<string, Json>, at: Version): void
  /** It was not told. */
  abort(): void
}

/**
 * `isCurrent`: enough relays were read to know what the own key has written elsewhere. Before that the record may be old (a home that was
 * put back): what it has already may not be there any more, so it waits too.
 */
export function createDrafts(
  table: Table<DraftRow>,
  section: Pick<Section, 'record' | 'weight' | 'version'>,
  isCurrent: () => boolean,
): Drafts {
  const record = () => section.record
  const drafts = new Map<string, Draft>([...table].map(([key, row]) => [key, { ...row, inherited: true }]))
  let changed = new Set<string>()
  /** Being signed: what is put meanwhile goes over it, whatever the record still says. */
  let flying: ReadonlyMap<string, Json> = new Map()
  const recorded: Entries = {
    get: key => entriesOf(record().entries).get(key),
    under: prefix => entriesOf(record().entries).under(prefix),
  }

  const entries: Entries = {
    get(key) {
      const draft = drafts.get(key)
      return draft ? (draft.value ?? undefined) : recorded.get(key)
    },
    *under(prefix) {
      for (const each of recorded.under(prefix)) if (!drafts.has(each[0])) yield each
      for (const [key, { value }] of drafts) if (value !== null && key.startsWith(prefix)) yield [key, value]
    },
  }

  /** Of record and drafts, as long as neither has changed: drafts may be many, and each new one asks. */
  let known: { readonly version: number; weight: Weight } | undefined

  /** What the record will hold; a removal leaves a tombstone only where the record has the key. */
  function pending(key: string): Json | undefined {
    const draft = drafts.get(key)
    if (draft === undefined) return record().entries.get(key)?.value
    return draft.value === null && !record().entries.has(key) ? undefined : draft.value
  }

  function isTold(key: string, value: Json): boolean {
    const told = record().entries.get(key)
    return told ? canonical(told.value) === canonical(value) : value === null
  }

  function weight(): Weight {
    if (known?.version === section.version) return known.weight
    let sum = section.weight
    for (const key of drafts.keys())
      sum = weighed(weighed(sum, key, record().entries.get(key)?.value, -1), key, pending(key), 1)
    known = { version: section.version, weight: sum }
    return sum
  }

  /** Runs what changes the draft of one key, and keeps the sum. */
  function weighing(key: string, run: () => void): void {
    const before = pending(key)
    const sum = weighed(weight(), key, before, -1)
    run()
    if (known) known.weight = weighed(sum, key, pending(key), 1)
  }

  function keep(): void {
    for (const key of changed) {
      const draft = drafts.get(key)
      if (draft) table.set(key, { value: draft.value, ...(draft.over ? { over: draft.over } : {}) })
      else table.delete(key)
    }
    changed = new Set()
  }

  return {
    entries,
    get size() {
      return drafts.size
    },
    weight(more) {
      let sum = weight()
      const told = new Map(more)
      for (const [key, value] of told) {
        const isGone = value === null && !record().entries.has(key)
        sum = weighed(weighed(sum, key, pending(key), -1), key, isGone ? undefined : value, 1)
      }
      return sum
    },
    put(key, value, epsilon) {
      const before = entries.get(key) ?? null
      const isNew = canonical(before) !== canonical(value)
      if (!isNew && (drafts.has(key) || isCurrent())) return undefined
      const told = record().entries.get(key)
      // Back to what was told already: there is nothing to tell any more.
      const isDone = isTold(key, value) && isCurrent() && !flying.has(key)
      const draft = {
        value,
        inherited: false,
        ...(told ? { over: { session: told.session, n: told.n } } : {}),
        ...(epsilon === undefined ? {} : { epsilon }),
      }
      weighing(key, () => (isDone ? drafts.delete(key) : drafts.set(key, draft)))
      changed.add(key)
      return isNew ? 'new' : 'same'
    },
    keep,
    due(held) {
      const due = new Map<string, Json>()
      for (const [key, draft] of [...drafts]) {
        const known = record().entries.get(key)
        const overtaken =
          draft.inherited && known && (draft.over === undefined || compareVersions(known, draft.over) > 0)
        if (overtaken || (isCurrent() && isTold(key, draft.value))) {
          weighing(key, () => drafts.delete(key))
          changed.add(key)
        } else if (!held(key, draft, isTold(key, draft.value))) due.set(key, draft.value)
      }
      flying = due
      return due
    },
    settle(told, { session, n }) {
      flying = new Map()
      for (const [key, value] of told) {
        const draft = drafts.get(key)
        if (!draft) continue
        if (draft.value === value) weighing(key, () => drafts.delete(key))
        else drafts.set(key, { ...draft, over: { session, n } })
        changed.add(key)
      }
      keep()
    },
    abort() {
      flying = new Map()
    },
  }
}
