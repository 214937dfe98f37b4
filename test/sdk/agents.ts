import { setTimeout as wait } from 'node:timers/promises'
import {
  type Agent,
  type Contact,
  createMemoryMailStore,
  type MailStore,
  type OpenAgentOptions,
  openAgent,
} from 'posthorn'
import { onTestFinished } from 'vitest'
import { nowSeconds, type Person, person } from '../helpers/events.ts'

/** Real timers, run `factor` times as fast: backoffs of half a minute pass in a moment. */
export const fastTimers = (factor: number) => ({
  after(ms: number, run: () => void) {
    const timer = setTimeout(run, ms / factor)
    return () => clearTimeout(timer)
  },
})

export const contactsOf = (...people: Person[]): Contact[] => people.map(({ name, pubkey }) => ({ name, pubkey }))

export const alice = person('alice')
export const bob = person('bob')
export const carol = person('carol')

/** An agent without a folder, closed after the test. */
export async function memoryAgent(
  who: Person,
  url: string | readonly string[],
  options: Partial<OpenAgentOptions> & { store?: MailStore; contacts?: Contact[]; speed?: number } = {},
): Promise<Agent> {
  const agent = await openAgent({
    // Most tests look at mail alone.
    announce: false,
    presence: false,
    ...options,
    name: who.name,
    relays: [url].flat(),
    host: {
      secretKey: who.secretKey,
      store: options.store ?? createMemoryMailStore(),
      contacts: () => options.contacts ?? contactsOf(alice, bob),
      ...(options.speed ? { timers: fastTimers(options.speed) } : {}),
      ...options.host,
    },
  })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 100 })))
  return agent
}

/** A signed clear-text message, as another client could make it. */
export const messageTo = (to: Person, from: Person, text: string, created_at = nowSeconds()) =>
  from.sign({
    kind: 4700,
    created_at,
    content: text,
    tags: [
      ['p', to.pubkey],
      ['y', 'inform'],
      ['v', '1'],
    ],
  })

/** Waits until `check` is true; fails after about 20 s. */
export async function eventually(what: string, check: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2_000; tries += 1) {
    if (check()) return
    await wait(10)
  }
  throw new Error(`not within 20 s: ${what}`)
}
