import type { CrashPoint, Lies } from 'posthorn/testing'
import { type Dice, dice } from '../relay/dice.ts'

/** One step of a history, as data: what fails can be made shorter by leaving steps out. */
export type Step =
  | { readonly do: 'send'; readonly who: string; readonly to: readonly string[]; readonly act: 'inform' | 'request' }
  | { readonly do: 'ask'; readonly who: string; readonly to: string }
  | { readonly do: 'job'; readonly who: string; readonly to: string; readonly key: string }
  | { readonly do: 'kill' | 'wake' | 'cut' | 'save' | 'restore' | 'clone'; readonly who: string }
  | { readonly do: 'crash'; readonly who: string; readonly point: CrashPoint }
  | { readonly do: 'block' | 'unblock'; readonly who: string; readonly relay: number }
  | { readonly do: 'stop' | 'start' | 'drop' | 'keep' | 'rewind'; readonly relay: number }
  | { readonly do: 'lie'; readonly relay: number; readonly lies: Lies }
  | { readonly do: 'pass'; readonly ms: number }

export interface Plan {
  readonly seed: number
  readonly relays: number
  /** Names, and the numbers of the relays that each uses. Relay 0 is everybody's and never lies. */
  readonly agents: readonly { readonly name: string; readonly relays: readonly number[] }[]
  /** Each handler fails so often before it does its work. */
  readonly failing: number
  readonly steps: readonly Step[]
}

const NAMES = ['ada', 'bob', 'cyd', 'dee', 'eli', 'fay']
const MS = [0, 1, 20, 300, 1_000, 4_000, 15_000, 60_000]

export function planOf(seed: number): Plan {
  const d = dice(seed)
  const relays = d.of([1, 1, 2, 2, 3])
  const names = NAMES.slice(0, d.of([2, 2, 3, 3, 3, 3, 4, 6]))
  const others = Array.from({ length: relays - 1 }, (_, n) => n + 1)
  const agents = names.map(name => ({
    name,
    relays: [0, ...(d.chance(0.6) ? others : others.filter(() => d.chance(0.5)))],
  }))
  const length = 8 + d.below(24)
  const steps = Array.from({ length }, () => stepOf(d, names, relays))
  return { seed, relays, agents, failing: d.of([0, 0, 0.2]), steps }
}

function stepOf(d: Dice, names: readonly string[], relays: number): Step {
  const who = d.of(names)
  const relay = d.below(relays)
  const other = () => d.of(names.filter(name => name !== who))
  const kinds: readonly (readonly [number, () => Step])[] = [
    [14, () => ({ do: 'send', who, to: [other()], act: 'inform' })],
    [10, () => ({ do: 'send', who, to: [other()], act: 'request' })],
    [3, () => ({ do: 'send', who, to: names.filter(name => name !== who), act: d.of(['inform', 'request']) })],
    [4, () => ({ do: 'ask', who, to: other() })],
    [5, () => ({ do: 'job', who, to: other(), key: `job-${d.below(2)}` })],
    [14, () => ({ do: 'crash', who, point: pointOf(d) })],
    [2, () => ({ do: 'kill', who })],
    [11, () => ({ do: 'wake', who })],
    [3, () => ({ do: 'cut', who })],
    [2, () => ({ do: 'block', who, relay })],
    [2, () => ({ do: 'unblock', who, relay })],
    [3, () => ({ do: 'save', who })],
    [2, () => ({ do: 'restore', who })],
    [2, () => ({ do: 'clone', who })],
    [3, () => ({ do: 'stop', relay })],
    [4, () => ({ do: 'start', relay })],
    [2, () => ({ do: 'drop', relay })],
    [3, () => ({ do: 'keep', relay })],
    [3, () => ({ do: 'rewind', relay })],
    [relay > 0 ? 12 : 0, () => ({ do: 'lie', relay, lies: liesOf(d) })],
    [18, () => ({ do: 'pass', ms: d.of(MS) + d.below(50) })],
  ]
  let left = d.below(kinds.reduce((sum, [weight]) => sum + weight, 0))
  for (const [weight, make] of kinds) {
    left -= weight
    if (left < 0) return make()
  }
  return { do: 'pass', ms: 1 }
}

const CRASHES = [
  ...(['write', 'write', 'write', 'sign', 'sign', 'send', 'send', 'send', 'hear', 'hear'] as const),
  // On the way out: kept, addressed, offered again; on the way in: recorded, worked on, answered, acknowledged.
  ...(['enqueue', 'address', 'settle', 'carryOver', 'record', 'beginWork', 'endWork', 'acknowledge'] as const),
]

/** Before or after any write, signature or frame. */
const pointOf = (d: Dice): CrashPoint => ({
  at: d.of(CRASHES),
  nth: 1 + d.below(d.of([1, 3, 8])),
  after: d.chance(0.5),
})

const liesOf = (d: Dice): Lies =>
  d.chance(0.3)
    ? {}
    : {
        drop: d.of([0, 0, 0.5]),
        withhold: d.of([0, 0.3, 1]),
        forge: d.of([0, 0.5, 1]),
        replay: d.of([0, 0.3]),
      }
