import { onDemand } from '../../platform/on-demand.ts'
import type { Cancel } from '../../platform/timers.ts'
import type { AgentState, AgentStates } from './agent-state.ts'
import type { StateSurroundings } from './surroundings.ts'

export const loadState = onDemand(() => import('./index.ts'))

const METHODS = ['get', 'set', 'update', 'delete', 'entries', 'count', 'add', 'remove', 'flush', 'open'] as const

/** State beside an agent, loaded when it is first used. Where it cannot be fetched, the call rejects and the next one tries again. */
export function lazyStateDesk(around: StateSurroundings): AgentStates {
  let opened: AgentStates | undefined

  async function desk(): Promise<AgentStates> {
    around.ensureOpen()
    const { createStateDesk } = await loadState()
    around.ensureOpen()
    opened ??= createStateDesk(around)
    return opened
  }

  function forward(of: (states: AgentStates) => AgentState): AgentState {
    const state = async () => of(await desk())
    const call =
      (method: (typeof METHODS)[number]) =>
      async (...args: readonly unknown[]): Promise<unknown> =>
        ((await state())[method] as (...args: readonly unknown[]) => Promise<unknown>)(...args)
    const methods = Object.fromEntries(METHODS.map(method => [method, call(method)]))
    return {
      ...(methods as unknown as Omit<AgentState, 'subscribe'>),
      subscribe(key, listener) {
        let stop: Cancel = () => {}
        let stopped = false
        state().then(
          opened => {
            if (!stopped) stop = opened.subscribe(key, listener)
          },
          () => {},
        )
        return () => {
          stopped = true
          stop()
        }
      },
    }
  }

  return {
    state: { ...forward(({ state }) => state), private: forward(({ state }) => state.private) },
    openState: async who => (await desk()).openState(who),
    openBoard: async (id, options) => (await desk()).openBoard(id, options),
  }
}
