import { wantsUnderstanding } from '../acts.ts'
import type { StoredMail } from '../mail/store.ts'
import { isPassing } from './ending.ts'
import type { OutcomeOptions, WriteOutcome } from './outcome.ts'

const BATCH = 50

/** What a handler takes: an act, of that act one schema, or topics. */
export type WorkOf = { readonly act: string; readonly schema?: string } | { readonly topics: readonly string[] }

export interface UnknownActsOptions extends Pick<OutcomeOptions, 'store' | 'isClosed'> {
  readonly write: WriteOutcome
  /** What there are handlers for. */
  known(): readonly WorkOf[]
  /** Public keys that may be told. */
  contacts(): readonly string[]
}

/** Tells contacts what of theirs nobody here understands. */
export interface UnknownActs {
  /** Mail came, or a handler: what was looked through is looked through again. */
  stir(): void
  /** Looks through what no handler takes, if there is cause to. */
  refuse(): Promise<void>
}

/** The schemas of an act that have a handler of their own. */
export const schemasOf = (act: string, known: readonly WorkOf[]): string[] =>
  known.flatMap(query => ('act' in query && query.act === act && query.schema !== undefined ? [query.schema] : []))

export function createUnknownActs({ store, isClosed, write, known, contacts }: UnknownActsOptions): UnknownActs {
  /** Acts seen that need no answer. */
  const passedOver = new Set<string>()
  let isStirred = true
  let refusing = false

  async function refuseEach(): Promise<void> {
    const from = contacts()
    const queries = known()
    const acts = queries.flatMap(query => ('act' in query && query.schema === undefined ? [query.act] : []))
    const names = queries.flatMap(query =>
      'act' in query ? [query.schema ? `${query.act} ${query.schema}` : query.act] : [],
    )
    const isTyped = (mail: StoredMail) =>
      mail.schema !== undefined && schemasOf(mail.act, known()).includes(mail.schema)
    const typed = new Set<string>()
    let found: readonly StoredMail[]
    do {
      found = store.unhandled({ except: [...acts, ...passedOver, ...typed], from, limit: BATCH })
      for (const mail of found) {
        if (!wantsUnderstanding(mail.act)) {
          passedOver.add(mail.act)
          continue
        }
        if (isTyped(mail)) {
          // Its own handler is busy; what else is of this act is looked at next time.
          typed.add(mail.act)
          isStirred = true
          continue
        }
        const what = mail.schema === undefined ? mail.act : `${mail.act} ${mail.schema}`
        // Somebody may have taken it up, or read it, meanwhile.
        if (store.get(mail.id)?.state !== 'new') continue
        const reason = `no handler for ${what}; known here: ${names.join(', ')}`
        await write(mail, { kind: 'not-understood', reason })
        if (isClosed()) return
      }
    } while (found.length === BATCH)
  }

  return {
    stir() {
      isStirred = true
    },
    async refuse() {
      if (refusing || !isStirred || isClosed()) return
      refusing = true
      isStirred = false
      try {
        await refuseEach()
      } catch (error) {
        isStirred = true
        if (!isPassing(error)) throw error
        // The next message, or the next start, tries again.
      } finally {
        refusing = false
      }
    },
  }
}
