import * as Y from 'yjs'
import type { Timers } from '../../platform/timers.ts'
import type { Agent } from '../api.ts'
import { openLog } from '../state/log/log.ts'
import { logHostOf, surroundingsOf } from '../state/surroundings.ts'
import type { SharedDoc } from './api.ts'
import { DocError } from './errors.ts'
import type { DocHost } from './host.ts'
import { documentId, parseDocName } from './name.ts'
import { createOpenDocs, type OpenDocs } from './open-docs.ts'
import { startSharedDoc } from './shared-doc.ts'
import type { Trial } from './trial.ts'

const PATIENCE_MS = 10_000

export interface OpenDocOptions {
  /** A Y.Doc to fill; it must be empty. Default: a new one. */
  readonly doc?: Y.Doc
  /** Own documents are made when there is none of that name; default true. */
  readonly create?: boolean
  /** A document that is made: readable for everybody who can read the relay. Default false. */
  readonly public?: boolean
  /** How long relays are waited for before it is known whether the document exists; default 10,000. */
  readonly timeoutMs?: number
}

/**
 * Opens a document by its name (own) or `owner/name`. Resolves once it can be read from what is kept here or, the first time, from
 * a relay; what others wrote meanwhile follows (`whenSynced`). Opened once more by the same agent it is the same Y.Doc. Rejects with DocError `doc-unknown`, `doc-unreachable`,
 * `doc-not-member`, `doc-name`, `doc-not-empty`, `doc-open` (with a Y.Doc of one's own), and with UnknownRecipientError.
 */
export type OpenDoc = (agent: Agent, id: string, options?: OpenDocOptions) => Promise<SharedDoc>

const openDocs = new WeakMap<object, OpenDocs>()

function openDocsOf(agent: object): OpenDocs {
  const known = openDocs.get(agent) ?? createOpenDocs()
  openDocs.set(agent, known)
  return known
}

export function createOpenDoc(trialOn: ((timers: Timers) => Trial) | undefined): OpenDoc {
  return async (agent, id, { doc: given, create = true, timeoutMs = PATIENCE_MS, ...options } = {}) => {
    const around = surroundingsOf(agent)
    around.ensureOpen()
    const name = parseDocName(id, around.pubkey, around.resolve)
    if (given && given.store.clients.size > 0)
      throw new DocError(
        'doc-not-empty',
        'the Y.Doc has content already; give an empty one, and put first content in once it is synced.',
      )
    const log = await logHostOf(around)
    const host: DocHost = {
      ...log,
      openLog: options => openLog(log, options),
      resolve: around.resolve,
      onClosing: around.attach,
    }
    return openDocsOf(agent).open(documentId(name), given === undefined, () =>
      startSharedDoc({
        host,
        name,
        trial: trialOn?.(around.timers),
        doc: given ?? new Y.Doc(),
        create,
        isPublic: options.public ?? false,
        timeoutMs,
      }),
    )
  }
}
