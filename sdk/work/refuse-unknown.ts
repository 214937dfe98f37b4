import type { Pace } from '../../platform/pace.ts'
import { wantsUnderstanding } from '../acts.ts'
import type { StoredMail } from '../mail/store.ts'
import type { UnknownActsOptions } from './unknown-acts.ts'
import { schemasOf } from './work-of.ts'

const BATCH = 50

export interface RefuseOptions extends UnknownActsOptions {
  /** Acts seen that need no answer; grows. */
  readonly passedOver: Set<string>
  readonly pace: Pace
  /** Something has to be looked at again next time. */
  onLeft(): void
}

/** Answers `not-understood` to what contacts sent and no handler takes, with the acts that are known here. */
export async function refuseUnknown(options: RefuseOptions): Promise<void> {
  const { store, isClosed, write, known, contacts, passedOver, pace, onLeft } = options
  const from = contacts()
  const queries = known()
  const acts = queries.flatMap(query => ('act' in query && query.schema === undefined ? [query.act] : []))
  const names = queries.flatMap(query =>
    'act' in query ? [query.schema ? `${query.act} ${query.schema}` : query.act] : [],
  )
  const isTyped = (mail: StoredMail) => mail.schema !== undefined && schemasOf(mail.act, known()).includes(mail.schema)
  const typed = new Set<string>()
  let found: readonly StoredMail[]
  do {
    found = store.unhandled({ except: [...acts, ...passedOver, ...typed], from, limit: BATCH })
    for (const mail of found) {
      if (!pace.take()) await pace.next()
      if (isClosed()) return
      if (!wantsUnderstanding(mail.act)) {
        passedOver.add(mail.act)
        continue
      }
      if (isTyped(mail)) {
        // Its own handler is busy; what else is of this act is looked at next time.
        typed.add(mail.act)
        onLeft()
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
