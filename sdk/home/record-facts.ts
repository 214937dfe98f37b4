import { existsSync } from 'node:fs'
import { keptAnswers } from '../card/answers.ts'
import { keptCard } from '../card/kept.ts'
import type { RecordFacts } from '../health/facts.ts'
import { unsentIn } from '../state/log/unsent.ts'
import type { DraftRow } from '../state/owned/drafts.ts'
import { OWN_RECORD, PRIVATE_RECORD } from '../state/record-names.ts'
import type { StateStore } from '../state/store.ts'
import { fileShelf } from './file-shelf.ts'
import { homeFiles } from './paths.ts'
import { openSqliteStateStore, tableNames } from './sqlite-state-store.ts'

/** Of one generation of a document: 32 hex, its number. */
const DOCUMENT_LOG = /^([0-9a-f]{32})\.\d+$/
/** Rows of `doc/<log>/local`. */
interface LocalRow {
  readonly updates: readonly string[]
}
/** Rows of `doc/<id>/controls`. */
interface ControlRow {
  readonly unsent?: true
  readonly reason?: string
}

/**
 * What the state and the documents of a home still have to publish, read from state.db beside a running agent or without one;
 * records with nothing to publish are left out. `pubkey`: of the home, 64 hex. Throws DatabaseError.
 */
export function readRecordFacts(home: string, pubkey: string): readonly RecordFacts[] {
  return [...stateFacts(home, pubkey), ...cardFacts(home, pubkey)]
}

/** The card, if no relay has it. What relays answered is not recorded in homes of earlier versions: there nothing is said. */
function cardFacts(home: string, pubkey: string): readonly RecordFacts[] {
  const shelf = fileShelf(home)
  const kept = keptAnswers(shelf)
  const card = keptCard(shelf, pubkey)
  if (kept === undefined || card === undefined) return []
  const answers = kept.id === card.event.id ? kept.answers : []
  if (answers.some(({ accepted }) => accepted)) return []
  const reason = answers.find(({ accepted }) => accepted === false)?.message
  return [{ kind: 'card', unwritten: 0, unsent: 1, ...(reason === undefined ? {} : { error: reason }) }]
}

function stateFacts(home: string, pubkey: string): readonly RecordFacts[] {
  const { state } = homeFiles(home)
  if (!existsSync(state)) return []
  const names = tableNames(state)
  const store = openSqliteStateStore(state, { readonly: true })
  try {
    const logs = new Map<string, { unwritten: number; unsent: number }>()
    const of = (log: string) => {
      const known = logs.get(log) ?? { unwritten: 0, unsent: 0 }
      logs.set(log, known)
      return known
    }
    for (const name of names) {
      const [family, log = '', table] = name.split('/')
      if (family === 'owned' && table === 'drafts') of(log).unwritten += store.open<DraftRow>(name).size
      if (family === 'doc' && table === 'local')
        for (const { updates } of store.open<LocalRow>(name).values()) of(log).unwritten += updates.length
      if (family === 'log' && (table === 'tail' || table === 'snapshots')) of(log)
    }
    for (const [log, facts] of logs) facts.unsent = unsentIn(store, log, pubkey)
    const changes = [...logs].flatMap(([log, facts]) =>
      facts.unwritten + facts.unsent === 0 ? [] : [{ ...named(log), ...facts }],
    )
    return [...changes, ...names.flatMap(name => controlFacts(store, name))]
  } finally {
    store.close()
  }
}

/** Decisions about a document and its members that no relay has. What was decided in an earlier version does not say. */
function controlFacts(store: StateStore, name: string): readonly RecordFacts[] {
  const [family, id = '', table] = name.split('/')
  if (family !== 'doc' || table !== 'controls') return []
  const unsent = [...store.open<ControlRow>(name).values()].filter(row => row.unsent)
  const reason = unsent.find(row => row.reason !== undefined)?.reason
  if (unsent.length === 0) return []
  return [
    { kind: 'document', id, unwritten: 0, unsent: unsent.length, ...(reason === undefined ? {} : { error: reason }) },
  ]
}

function named(log: string): Pick<RecordFacts, 'kind' | 'id'> {
  if (log === OWN_RECORD) return { kind: 'state' }
  if (log === PRIVATE_RECORD) return { kind: 'private' }
  const document = DOCUMENT_LOG.exec(log)?.[1]
  return document === undefined ? { kind: 'board', id: log } : { kind: 'document', id: document }
}
