import type { Agent } from '../../sdk/index.ts'
import type { SeenState } from './protocol.ts'

/** Somebody's state (a contact's, or with its own key its own) as this agent reads it from the relays now. */
export async function lookAt(agent: Agent, who: string): Promise<SeenState> {
  const view = await agent.openState(who)
  try {
    const ready = await view.ready(10_000)
    return { ready, values: view.content().values, digest: view.digest }
  } finally {
    await view.close()
  }
}
