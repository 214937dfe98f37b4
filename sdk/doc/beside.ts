import { existsSync } from 'node:fs'
import { systemClock } from '../../platform/clock.ts'
import { randomHex, systemRandom } from '../../platform/random.ts'
import { DatabaseError } from '../../platform/sqlite.ts'
import { sleep, systemTimers } from '../../platform/timers.ts'
import type { Agent } from '../api.ts'
import { homeContacts } from '../home/contacts.ts'
import { findBeside } from '../home/find-beside.ts'
import { homeFiles } from '../home/paths.ts'
import { readProfile } from '../home/profile.ts'
import { layOrder } from '../home/spool.ts'
import { openSqliteStateStore } from '../home/sqlite-state-store.ts'
import { resolveRecipient } from '../sending/recipient.ts'
import type { StateStore } from '../state/store.ts'
import { surroundingsOf } from '../state/surroundings.ts'
import { actOn, type DocAct, type DocOutcome } from './acts.ts'
import { DocError } from './errors.ts'
import { parseDocName } from './name.ts'
import type { OpenDoc } from './open-doc.ts'
import { openAnswers } from './orders.ts'
import { type KeptDoc, readKept } from './read-kept.ts'

const LOOK_MS = 100
/** What an agent may take beyond what it waits for relays. */
const GRACE_MS = 2_000

/** A document of a home beside its running agent. */
export interface DocBeside {
  /** As the agent keeps it; undefined: it keeps nothing of it. Rejects with DocError `doc-name`, UnknownRecipientError. */
  read(): Promise<KeptDoc | undefined>
  /**
   * Has the agent do it, and resolves with what became of it. Rejects with DocError as the agent's own call does, and with
   * `doc-not-done` if it has not answered in time: it is not done later either.
   */
  ask(act: DocAct, options: { readonly timeoutMs: number }): Promise<DocOutcome>
}

/** `id`: `name` (own) or `owner/name`. */
export function docBeside(home: string, id: string): DocBeside {
  const resolve = (who: string) => resolveRecipient(who, homeContacts(home))
  const self = () => readProfile(home).pubkey
  const name = () => parseDocName(id, self(), resolve)

  return {
    read: async () => withState(home, store => readKept(store, name(), self())),
    async ask(act, { timeoutMs }) {
      const { owner, name: called } = name()
      const ref = randomHex(systemRandom, 32)
      const asked = 'who' in act ? { ...act, who: (await findBeside(home, act.who)).pubkey } : act
      const until = systemClock.now() + timeoutMs + GRACE_MS
      layOrder(home, { doc: { ref, document: `${owner}/${called}`, until, timeoutMs, act: asked } })
      // Relays may be waited for more than once: for the document, and for what was decided.
      const end = systemClock.monotonic() + 3 * timeoutMs + GRACE_MS
      while (systemClock.monotonic() < end) {
        const answer = withState(home, store => openAnswers(store).get(ref))
        if (answer && 'outcome' in answer) return answer.outcome
        if (answer) throw errorOf(answer.error)
        await sleep(systemTimers, LOOK_MS)
      }
      throw new DocError(
        'doc-not-done',
        'the running agent of this profile has not answered; look at what it is doing.',
      )
    },
  }
}

/** The same with an agent at hand. */
export function docThrough(openDoc: OpenDoc, agent: Agent, id: string): DocBeside {
  const around = surroundingsOf(agent)
  return {
    read: async () => readKept(await around.store(), parseDocName(id, around.pubkey, around.resolve), around.pubkey),
    ask: (act, { timeoutMs }) => actOn(openDoc, agent, id, act, timeoutMs),
  }
}

function errorOf({ code, message }: { readonly code: string; readonly message: string }): DocError {
  return code.startsWith('doc-')
    ? new DocError(code as DocError['code'], message)
    : new DocError('doc-not-done', `the running agent could not do it: ${message}`)
}

/** Undefined also while the agent has not made the file yet. */
function withState<T>(home: string, read: (store: StateStore) => T): T | undefined {
  const { state } = homeFiles(home)
  if (!existsSync(state)) return undefined
  let store: StateStore
  try {
    store = openSqliteStateStore(state, { readonly: true })
  } catch (error) {
    if (error instanceof DatabaseError) return undefined
    throw error
  }
  try {
    return read(store)
  } finally {
    store.close()
  }
}
