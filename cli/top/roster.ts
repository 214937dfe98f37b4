import { seconds } from '../../platform/clock.ts'
import type { Presence } from '../../sdk/index.ts'
import type { CliHost } from '../context.ts'
import type { LookingAround } from '../lookout.ts'
import { doingText, whoText } from '../presence-text.ts'

/** Who is at a relay. */
export interface Roster {
  readonly awake: number
  readonly asleep: number
  /** Awake ones first. */
  readonly agents: readonly { readonly name: string; readonly isAwake: boolean; readonly doing: string }[]
}

/** Keys watched: a relay may have any number. */
const MAX_AGENTS = 5_000
const NAMES_EVERY_MS = 30_000

/** Watches who is there, and what they are called. `read` tells it as it is now. */
export function watchRoster(
  { lookout, contacts }: LookingAround,
  { clock, timers }: Pick<CliHost, 'clock' | 'timers'>,
): { read(): Roster; stop(): void } {
  const present = new Map<string, Presence>()
  const claimed = new Map<string, string>()
  const learnNames = () =>
    void lookout.cards.find({ limit: MAX_AGENTS }).then(
      cards => {
        for (const { pubkey, card } of cards) claimed.set(pubkey, card.name)
      },
      () => {},
    )
  learnNames()
  let cancel = timers.after(NAMES_EVERY_MS, again, { background: true })
  function again(): void {
    learnNames()
    cancel = timers.after(NAMES_EVERY_MS, again, { background: true })
  }
  const observation = lookout.observe(undefined, presence => {
    if (present.has(presence.pubkey) || present.size < MAX_AGENTS) present.set(presence.pubkey, presence)
  })
  return {
    read() {
      const now = seconds(clock)
      const keys = [...new Set([...present.keys(), ...claimed.keys()])]
      const agents = keys
        .map(pubkey => {
          const presence = present.get(pubkey)
          const contact = contacts.find(each => each.pubkey === pubkey)?.name
          return {
            name: whoText(pubkey, contact, claimed.get(pubkey)),
            isAwake: presence?.state === 'online' || presence?.state === 'suspect',
            doing: presence === undefined ? '' : doingText(presence, now),
          }
        })
        .sort((a, b) => Number(b.isAwake) - Number(a.isAwake) || (a.name < b.name ? -1 : 1))
      const awake = agents.filter(({ isAwake }) => isAwake).length
      return { awake, asleep: agents.length - awake, agents }
    },
    stop() {
      cancel()
      observation.stop()
    },
  }
}
