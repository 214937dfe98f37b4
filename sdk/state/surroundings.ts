import type { Cancel } from '../../platform/timers.ts'
import type { Lines } from '../link/lines.ts'
import type { LogHost } from './log/types.ts'
import type { Unsent } from './owned/types.ts'
import type { StateStore } from './store.ts'

/** Where somebody else's state is read: see sdk/relays/visits.ts. */
export interface Abroad {
  readonly lines: Lines
  readonly home: Exclude<LogHost['home'], undefined>
  leave(): void
}

/** What everything that keeps state beside an agent takes from it. */
export interface StateSurroundings extends Omit<LogHost, 'store'> {
  /** 64 hex. */
  readonly pubkey: string
  /** Lines to where a key publishes, to be left in the end. Rejects where what makes them cannot be fetched. */
  visit(pubkey: string): Promise<Abroad>
  /** Opened when it is first needed, once. */
  store(): Promise<StateStore>
  /** npub, hex or contact name to 64 hex. Throws UnknownRecipientError. */
  resolve(who: string): string
  /** Throws AgentClosedError. */
  ensureOpen(): void
  /** To be closed before the agent's connections are; at most `timeoutMs` are waited for. `unsent` is asked afterwards. */
  attach(close: (timeoutMs: number) => Promise<unknown>, unsent?: () => Unsent): Cancel
}

const known = new WeakMap<object, StateSurroundings>()

export const surround = (agent: object, surroundings: StateSurroundings): void => void known.set(agent, surroundings)

/** Of an agent that `openAgent` made. Throws a TypeError on anything else. */
export function surroundingsOf(agent: object): StateSurroundings {
  const surroundings = known.get(agent)
  if (!surroundings) throw new TypeError('give an agent that openAgent() of this same posthorn has opened.')
  return surroundings
}

/** The same, ready for logs. */
export async function logHostOf(surroundings: StateSurroundings): Promise<LogHost> {
  return { ...surroundings, store: await surroundings.store() }
}

/** For the log of one other key, which is read where that key publishes, too. */
export const abroad = (host: LogHost, { lines, home }: Abroad): LogHost => ({
  ...host,
  lines: () => lines.all,
  eachLine: lines.each,
  home,
})
