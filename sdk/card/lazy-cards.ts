import { loadSeldom } from '../load-seldom.ts'
import { keptEvent } from './kept-event.ts'
import type { AgentCard } from './shape.ts'
import type { AgentCards, CardsOptions } from './types.ts'

/**
 * Cards that are loaded once there is one to publish, to set or to look for. Where the code cannot be fetched, a call rejects, and the
 * next connection tries to publish again.
 */
export function lazyCards(options: CardsOptions): AgentCards & { close(): void } {
  const { lines, shelf, signer } = options
  // Checked before it was signed by this key: what checks cards stays with what publishes them.
  const event = keptEvent(shelf, signer.pubkey)
  const kept = event && Object.freeze(JSON.parse(event.content) as AgentCard)
  let cards: ReturnType<typeof lazyCards> | undefined
  let closed = false

  async function load(): Promise<AgentCards> {
    const { createCards } = await loadSeldom()
    if (closed) throw new Error('the agent was closed.')
    cards ??= createCards(options)
    return cards
  }

  const unfollow = lines.each(line =>
    line.follow({
      onOpen() {
        if (!cards && (kept || options.present)) load().catch(() => {})
      },
    }),
  )

  return {
    get own() {
      return cards ? cards.own : kept
    },
    set: async draft => (await load()).set(draft),
    answers: async () => (await load()).answers(),
    get: async who => (await load()).get(who),
    find: async query => (await load()).find(query),
    close() {
      closed = true
      unfollow()
      cards?.close()
    },
  }
}
