import { isCount, isRecord, own } from '../../protocol/json.ts'
import type { Agent } from '../api.ts'
import type { StateStore } from '../state/store.ts'
import { surroundingsOf } from '../state/surroundings.ts'
import { actOn, type DocAct, type DocOutcome } from './acts.ts'
import { isRole } from './members/roles.ts'
import type { OpenDoc } from './open-doc.ts'

/** What another program of the home has its running agent do about a document. */
export interface DocOrder {
  /** Where the answer is looked for. */
  readonly ref: string
  /** `owner/name`. */
  readonly document: string
  /** Wall clock, ms since 1970: nobody waits for it any more, and it is not done. */
  readonly until: number
  readonly timeoutMs: number
  readonly act: DocAct
}

export type DocAnswer =
  | { readonly outcome: DocOutcome }
  | { readonly error: { readonly code: string; readonly message: string } }

/** Answers are read within moments, or never. */
const KEPT_ANSWERS = 16

export const openAnswers = (store: StateStore) => store.open<DocAnswer>('doc/answers')

/** Undefined: no order, or one of another version. */
export function parseDocOrder(value: unknown): DocOrder | undefined {
  if (!isRecord(value)) return undefined
  const [ref, document, until, timeoutMs] = ['ref', 'document', 'until', 'timeoutMs'].map(field => own(value, field))
  const act = parseAct(own(value, 'act'))
  return typeof ref === 'string' && typeof document === 'string' && isCount(until) && isCount(timeoutMs) && act
    ? { ref, document, until, timeoutMs, act }
    : undefined
}

function parseAct(value: unknown): DocAct | undefined {
  if (!isRecord(value)) return undefined
  const [what, who, role] = ['do', 'who', 'role'].map(field => own(value, field))
  if (what === 'look' || what === 'compact') return { do: what }
  if (what === 'create') return { do: what, public: own(value, 'public') === true }
  if (typeof who !== 'string') return undefined
  if (what === 'remove') return { do: what, who }
  return what === 'invite' && isRole(role) ? { do: what, who, role } : undefined
}

/** Does what is ordered with the agent whose home it is, and leaves the answer in its state. */
export async function obeyDocOrder(openDoc: OpenDoc, agent: Agent, value: unknown): Promise<void> {
  const order = parseDocOrder(value)
  const { clock, store } = surroundingsOf(agent)
  if (!order || clock.now() > order.until) return
  const answer = await answerTo(openDoc, agent, order)
  const kept = await store()
  kept.transaction(() => {
    const answers = openAnswers(kept)
    answers.set(order.ref, answer)
    for (const old of [...answers.keys()].slice(0, -KEPT_ANSWERS)) answers.delete(old)
  })
}

async function answerTo(openDoc: OpenDoc, agent: Agent, order: DocOrder): Promise<DocAnswer> {
  try {
    return { outcome: await actOn(openDoc, agent, order.document, order.act, order.timeoutMs) }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected'
    return { error: { code, message: error instanceof Error ? error.message : String(error) } }
  }
}
