import type { FoundCard, Presence } from '../sdk/index.ts'
import type { Post } from './post.ts'

/** Cards and presence of others, from the agent of this process or over relays beside it. */
export interface Surroundings {
  findCards(query: { readonly skill?: string | undefined; readonly limit: number }): Promise<readonly FoundCard[]>
  presenceOf(pubkeys: readonly string[]): Promise<ReadonlyMap<string, Presence>>
  close(): Promise<void>
}

const CARDS_MS = 3_000
const PRESENCE_MS = 2_000

export function lookAround(post: Post): Surroundings {
  const { agent } = post.mailbox
  if (agent)
    return {
      findCards: query => agent.card.find(queryOf(query)),
      async presenceOf(pubkeys) {
        const found = await Promise.all(pubkeys.map(key => agent.presence.get(key, { timeoutMs: PRESENCE_MS })))
        return new Map(found.flatMap(each => (each === undefined ? [] : [[each.pubkey, each] as const])))
      },
      close: async () => {},
    }
  const lookout = post.openLookout()
  return {
    findCards: query => lookout.cards.find(queryOf(query)),
    presenceOf: pubkeys =>
      new Promise(resolve => {
        const end = () => {
          cancel()
          const found = pubkeys.map(key => observation.get(key))
          observation.stop()
          resolve(new Map(found.flatMap(each => (each === undefined ? [] : [[each.pubkey, each] as const]))))
        }
        const cancel = post.timers.after(PRESENCE_MS, end)
        const observation = lookout.observe(
          pubkeys,
          () => {},
          () => {
            if (observation.isTold) end()
          },
        )
      }),
    close: () => lookout.close(),
  }
}

const queryOf = ({ skill, limit }: { readonly skill?: string | undefined; readonly limit: number }) => ({
  ...(skill === undefined ? {} : { skill }),
  limit,
  timeoutMs: CARDS_MS,
})
