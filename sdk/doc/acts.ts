import { sleep } from '../../platform/timers.ts'
import type { Agent } from '../api.ts'
import { unsentIn } from '../state/log/unsent.ts'
import { surroundingsOf } from '../state/surroundings.ts'
import type { DocMember, SharedDoc } from './api.ts'
import { DocError } from './errors.ts'
import type { Role } from './members/roles.ts'
import { logOf } from './name.ts'
import type { OpenDoc } from './open-doc.ts'

/** What one may want of a document without a program that has it open. */
export type DocAct =
  | { readonly do: 'look' | 'compact' }
  | { readonly do: 'create'; readonly public: boolean }
  | { readonly do: 'invite'; readonly who: string; readonly role: Role }
  | { readonly do: 'remove'; readonly who: string }

/** What became of it; what the document is like now stands in what the agent keeps. */
export interface DocOutcome {
  /** Everything of it that relays have is here. */
  readonly synced: boolean
  /** A relay has what was decided. */
  readonly published: boolean
  /** Why not, in the words of a relay, if one refused it: untrusted text. */
  readonly reason?: string
  /** It was not there before. */
  readonly created: boolean
  readonly before: { readonly members: readonly DocMember[]; readonly bytes: number }
}

/** Opens the document, does it, and closes it again; rejects as `openDoc` and the methods of `SharedDoc` do. */
export async function actOn(
  openDoc: OpenDoc,
  agent: Agent,
  name: string,
  act: DocAct,
  timeoutMs: number,
): Promise<DocOutcome> {
  const there = act.do === 'create' ? await find(openDoc, agent, name, timeoutMs) : undefined
  const isNew = act.do === 'create' && there === undefined
  const shared =
    there ??
    (await openDoc(agent, name, act.do === 'create' ? { public: act.public, timeoutMs } : { create: false, timeoutMs }))
  try {
    const isThere = await shared.whenSynced({ timeoutMs })
    const before = { members: shared.members(), bytes: act.do === 'compact' ? shared.size().bytes : 0 }
    if (act.do === 'invite') await shared.invite(await keyOf(agent, act.who), act.role)
    if (act.do === 'remove') await shared.remove(await keyOf(agent, act.who))
    if (act.do === 'compact') await shared.compact()
    const synced = act.do === 'look' ? isThere : await shared.whenSynced({ timeoutMs })
    const published = synced && (await shared.flush()) && (await isTaken(agent, shared, timeoutMs))
    const reason = published ? undefined : shared.status.error
    return { synced, published, created: isNew, before, ...(reason === undefined ? {} : { reason }) }
  } finally {
    await shared.close({ timeoutMs })
  }
}

/** A relay has everything that was written: a signed change alone is with nobody else yet. Waits for at most `ms`. */
async function isTaken(agent: Agent, shared: SharedDoc, ms: number): Promise<boolean> {
  const { id, status, on } = shared
  const around = surroundingsOf(agent)
  const store = await around.store()
  const log = logOf(id, status.generation)
  const over = new AbortController()
  const late = sleep(around.timers, ms, over.signal)
  let isOver = false
  void late.then(() => (isOver = true))
  const hasAll = () => unsentIn(store, log, around.pubkey) === 0 && shared.status.unacknowledgedControls === 0
  while (!hasAll() && !isOver) await nextStatus(on, late)
  over.abort()
  return hasAll()
}

function nextStatus(on: SharedDoc['on'], late: Promise<unknown>): Promise<void> {
  return new Promise(resolve => {
    const off = on('status', done)
    function done(): void {
      off()
      resolve()
    }
    void late.then(done)
  })
}

/** As people name somebody, which may have to be looked up. */
const keyOf = async (agent: Agent, who: string): Promise<string> => (await agent.contacts.find(who)).pubkey

async function find(openDoc: OpenDoc, agent: Agent, name: string, timeoutMs: number): Promise<SharedDoc | undefined> {
  try {
    return await openDoc(agent, name, { create: false, timeoutMs })
  } catch (error) {
    if (error instanceof DocError && error.code === 'doc-unknown') return undefined
    throw error
  }
}
