import type { Cancel } from '../../platform/timers.ts'
import type { AgentState, AgentStates } from './agent-state.ts'
import { type Board, openBoard } from './blackboard/board.ts'
import { openOwn } from './owned/own.ts'
import { openSections } from './owned/sections.ts'
import type { OwnState, StateView, Unsent } from './owned/types.ts'
import { OWN_RECORD, PRIVATE_RECORD } from './record-names.ts'
import { abroad, logHostOf, type StateSurroundings } from './surroundings.ts'

interface Closable {
  close(options: { readonly timeoutMs?: number }): Promise<unknown>
}

interface Shared {
  readonly view: Promise<StateView>
  users: number
}

/** State beside an agent: opened when it is asked for, closed with the agent. */
export function createStateDesk(around: StateSurroundings): AgentStates {
  const owned = new Map<string, Promise<OwnState>>()
  const views = new Map<string, Shared>()
  const boards = new Map<string, Promise<Board>>()

  function attached<T extends Closable>(opened: T, { status }: { readonly status: () => Unsent }): T {
    around.attach(
      timeoutMs => opened.close({ timeoutMs }),
      () => status(),
    )
    return opened
  }

  async function open(o: string, isPrivate: boolean): Promise<OwnState> {
    const host = await logHostOf(around)
    around.ensureOpen()
    const opened = openOwn(host, { o, private: isPrivate })
    return attached(opened, opened.sections)
  }

  function own(o: string): Promise<OwnState> {
    const known = owned.get(o)
    if (known) return known
    const opening = open(o, o === PRIVATE_RECORD)
    owned.set(o, opening)
    // A page that is offline: the next attempt is a new one.
    opening.catch(() => owned.delete(o))
    return opening
  }

  function stateOf(o: string): AgentState {
    const withOwn = async <T>(run: (state: OwnState) => T | Promise<T>): Promise<T> => {
      around.ensureOpen()
      return run(await own(o))
    }
    return {
      get: key => withOwn(({ view }) => view.get(key)),
      set: (key, value, options) => withOwn(state => state.set(key, value, options)),
      update: values => withOwn(state => state.update(values)),
      delete: key => withOwn(state => state.delete(key)),
      entries: () => withOwn(({ view }) => view.content()),
      subscribe(key, listener) {
        let stop: Cancel = () => {}
        let stopped = false
        withOwn(({ view }) => {
          if (!stopped) stop = view.subscribe(key, listener)
        }).catch(() => {})
        return () => {
          stopped = true
          stop()
        }
      },
      count: (name, by) => withOwn(state => state.count(name, by)),
      add: (set, element) => withOwn(state => state.add(set, element)),
      remove: (set, element) => withOwn(state => state.remove(set, element)),
      flush: ms => withOwn(state => state.flush(ms)),
      open: () => withOwn(state => state),
    }
  }

  async function openView(author: string): Promise<StateView> {
    const host = await logHostOf(around)
    const visit = await around.visit(author)
    around.ensureOpen()
    const authors = new Set([author])
    const sections = openSections(abroad(host, visit), {
      o: OWN_RECORD,
      keep: `${OWN_RECORD}@${author}`,
      authors: () => authors,
    })
    const detach = around.attach(timeoutMs => sections.log.close({ timeoutMs }))
    return sections.view(author, async () => {
      detach()
      visit.leave()
      await sections.log.close({ timeoutMs: 0 })
    })
  }

  const state = stateOf(OWN_RECORD)
  const sealed = stateOf(PRIVATE_RECORD)

  return {
    state: {
      ...state,
      async flush(ms) {
        const done = await Promise.all([state.flush(ms), !owned.has(PRIVATE_RECORD) || sealed.flush(ms)])
        return done.every(Boolean)
      },
      private: sealed,
    },
    async openState(who) {
      around.ensureOpen()
      const author = who === undefined ? around.pubkey : around.resolve(who)
      if (author === around.pubkey) {
        const { view } = await own(OWN_RECORD)
        // It belongs to the agent, and ends with it.
        return Object.assign(Object.create(view) as StateView, { close: async () => {} })
      }
      const shared = views.get(author) ?? { view: openView(author), users: 0 }
      views.set(author, shared)
      shared.users += 1
      let closed = false
      try {
        const view = await shared.view
        return Object.assign(Object.create(view) as StateView, {
          async close() {
            if (closed) return
            closed = true
            shared.users -= 1
            if (shared.users > 0) return
            views.delete(author)
            await view.close()
          },
        })
      } catch (error) {
        views.delete(author)
        throw error
      }
    },
    async openBoard(id, options) {
      around.ensureOpen()
      const known = boards.get(id)
      if (known) return known
      const members = options.members.map(around.resolve)
      const opening = logHostOf(around)
        .then(host => openBoard(host, id, { members }))
        .then(board => attached(board, { status: () => board.status }))
      boards.set(id, opening)
      opening.catch(() => boards.delete(id))
      return opening
    },
  }
}
