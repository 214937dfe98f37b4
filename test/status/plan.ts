import { type Dice, dice } from '../relay/dice.ts'
import type { Refusal } from './place.ts'
import type { Lies } from './wire-faults.ts'

export type HomeFile = 'mail.db' | 'state.db' | 'profile.json' | 'key'
export type Verb = 'send' | 'catchup' | 'status' | 'doctor' | 'set' | 'get' | 'receipts' | 'inbox'

/** One step of a history, as data: what fails can be made shorter by leaving steps out. */
export type Step =
  | { readonly do: 'open' | 'close' | 'sync' | 'flush' | 'mark' | 'retry'; readonly who: string }
  /** Until it says that nothing is queued. */
  | { readonly do: 'settle'; readonly who: string }
  | { readonly do: 'send' | 'ask'; readonly who: string; readonly to: string; readonly act: 'inform' | 'request' }
  | { readonly do: 'set'; readonly who: string; readonly key: string; readonly size: number }
  | { readonly do: 'unset'; readonly who: string; readonly key: string }
  | { readonly do: 'look'; readonly who: string; readonly to: string }
  | { readonly do: 'cli'; readonly who: string; readonly verb: Verb; readonly to: string }
  | { readonly do: 'stop' | 'start' | 'stall' | 'cut' | 'keep' | 'rewind' | 'fill' | 'free'; readonly relay: number }
  | { readonly do: 'refuse'; readonly relay: number; readonly how: Refusal | undefined }
  | { readonly do: 'lie'; readonly relay: number; readonly lies: Lies }
  | { readonly do: 'skew'; readonly who: string; readonly ms: number }
  | { readonly do: 'skewRelay'; readonly relay: number; readonly ms: number }
  | { readonly do: 'fillHome' | 'freeHome' | 'saveHome' | 'restoreHome'; readonly who: string }
  | { readonly do: 'damage'; readonly who: string; readonly file: HomeFile }
  | { readonly do: 'mend'; readonly who: string }
  | { readonly do: 'pass' | 'wait'; readonly ms: number }

export interface Plan {
  readonly seed: number
  readonly relays: number
  /** Logs in files instead of memory. */
  readonly onDisk: boolean
  /** Profiles of one machine, who know each other from the disk; or strangers' machines that were given each other's key, with or without relays. */
  readonly layout: 'together' | 'hinted' | 'apart'
  readonly agents: readonly { readonly name: string; readonly relays: readonly number[] }[]
  /** Nothing goes wrong, so what is asked is waited for, however busy the machine is. */
  readonly isCalm?: boolean
  readonly steps: readonly Step[]
}

const NAMES = ['ada', 'bob', 'cyd', 'dee']
const DAY_MS = 86_400_000

/** What goes wrong: every history has the next one of these, and maybe others. */
export const FAULTS = [
  'away',
  'refusing',
  'full relay',
  'agent clock',
  'relay clock',
  'full disk',
  'stopped process',
  'damaged file',
  'elsewhere',
  'put back',
  'home put back',
  'liar',
] as const
export type Fault = (typeof FAULTS)[number]

/** The same faults in each group of so many seeds. */
export const faultOf = (seed: number): Fault => FAULTS[seed % FAULTS.length] as Fault

export function planOf(seed: number): Plan {
  const d = dice(seed)
  const main = faultOf(seed)
  const relays = main === 'elsewhere' ? d.of([2, 3]) : d.of([1, 1, 2, 2, 3])
  const names = NAMES.slice(0, d.of([2, 2, 2, 3, 3, 4]))
  const all = Array.from({ length: relays }, (_, n) => n)
  const some = () => {
    const chosen = all.filter(() => d.chance(0.5))
    return chosen.length > 0 ? chosen : [d.below(relays)]
  }
  const apart = main === 'elsewhere' || d.chance(0.2)
  const agents = names.map((name, n) => ({
    name,
    relays: main === 'elsewhere' ? [n % relays] : apart ? some() : all,
  }))
  const plan = {
    seed,
    relays,
    onDisk: d.chance(0.15),
    layout: d.of(['together', 'together', 'hinted', 'apart'] as const),
    agents,
  }
  const steps: Step[] = [...names.filter(() => d.chance(0.7)).map((who): Step => ({ do: 'open', who }))]
  const add = (count: number) => {
    for (let n = 0; n < count; n += 1) steps.push(workOf(d, names))
  }
  add(2 + d.below(4))
  steps.push(...faultSteps(d, main, names, relays))
  add(3 + d.below(5))
  if (d.chance(0.5)) {
    steps.push(...faultSteps(d, d.of(FAULTS), names, relays))
    add(2 + d.below(4))
  }
  if (d.chance(0.6)) {
    steps.push(...reliefOf(d, names, relays))
    add(2 + d.below(3))
  }
  return { ...plan, steps }
}

/** Everything that can be claimed is claimed, while nothing is wrong. */
export const CALM: Plan = {
  seed: 0,
  relays: 2,
  onDisk: true,
  isCalm: true,
  layout: 'together',
  agents: ['ada', 'bob'].map(name => ({ name, relays: [0, 1] })),
  steps: [
    { do: 'open', who: 'ada' },
    { do: 'open', who: 'bob' },
    { do: 'set', who: 'ada', key: 'k1', size: 5 },
    { do: 'flush', who: 'ada' },
    { do: 'look', who: 'bob', to: 'ada' },
    { do: 'send', who: 'ada', to: 'bob', act: 'request' },
    { do: 'ask', who: 'bob', to: 'ada', act: 'request' },
    { do: 'sync', who: 'bob' },
    { do: 'close', who: 'bob' },
    ...(['send', 'set', 'get', 'catchup', 'receipts', 'status', 'doctor', 'doctor'] as const).map(
      (verb, n): Step => ({ do: 'cli', who: n === 7 ? 'ada' : 'bob', verb, to: n === 7 ? 'bob' : 'ada' }),
    ),
  ],
}

function workOf(d: Dice, names: readonly string[]): Step {
  const who = d.of(names)
  const to = d.of(names.filter(name => name !== who))
  const key = `k${d.below(4)}`
  const act = d.of(['inform', 'inform', 'request'] as const)
  return weighed(d, [
    [10, () => ({ do: 'send', who, to, act })],
    [2, () => ({ do: 'ask', who, to, act: 'request' })],
    [6, () => ({ do: 'set', who, key, size: d.of([5, 5, 40, 900, 3_000]) })],
    [1, () => ({ do: 'unset', who, key })],
    [4, () => ({ do: 'flush', who })],
    [4, () => ({ do: 'sync', who })],
    [2, () => ({ do: 'look', who, to })],
    [2, () => ({ do: 'mark', who })],
    [1, () => ({ do: 'retry', who })],
    [4, () => ({ do: 'open', who })],
    [3, () => ({ do: 'close', who })],
    [
      12,
      () => ({
        do: 'cli',
        who,
        verb: d.of([
          'send',
          'send',
          'catchup',
          'catchup',
          'status',
          'doctor',
          'doctor',
          'set',
          'get',
          'receipts',
          'inbox',
        ] as const),
        to,
      }),
    ],
    [3, () => ({ do: 'wait', ms: d.of([20, 80, 200]) })],
  ])
}

function faultSteps(d: Dice, fault: Fault, names: readonly string[], relays: number): readonly Step[] {
  const relay = d.below(relays)
  const who = d.of(names)
  const to = d.of(names.filter(name => name !== who))
  switch (fault) {
    case 'away':
      return [{ do: d.chance(0.8) ? 'stop' : 'cut', relay }]
    case 'refusing': {
      const how = d.of(['blocked', 'restricted', 'auth-required', 'rate-limited', 'kinds', 'read'] as const)
      return (d.chance(0.5) ? [relay] : Array.from({ length: relays }, (_, n) => n)).map(n => ({
        do: 'refuse',
        relay: n,
        how,
      }))
    }
    case 'full relay':
      return [{ do: 'fill', relay }]
    case 'agent clock': {
      const ms = d.of([-1, 1]) * d.of([700_000, DAY_MS, 400 * DAY_MS])
      return [
        { do: 'skew', who, ms },
        d.of<Step>([
          { do: 'set', who, key: 'k1', size: 5 },
          { do: 'send', who, to, act: 'inform' },
        ]),
      ]
    }
    case 'relay clock':
      return [{ do: 'skewRelay', relay, ms: d.of([-1, 1]) * d.of([1_000_000, DAY_MS]) }]
    case 'full disk':
      return [{ do: 'fillHome', who }]
    case 'stopped process':
      return [{ do: 'stall', relay }]
    case 'damaged file':
      return [
        { do: 'close', who },
        { do: 'damage', who, file: d.of(['mail.db', 'mail.db', 'state.db', 'profile.json', 'key'] as const) },
        { do: 'cli', who, verb: d.of(['doctor', 'status', 'catchup', 'send', 'set'] as const), to },
        { do: 'cli', who, verb: 'doctor', to },
      ]
    case 'elsewhere':
      return [
        { do: 'send', who, to, act: 'inform' },
        { do: 'close', who },
        { do: 'cli', who, verb: 'send', to },
      ]
    case 'put back':
      return [
        { do: 'keep', relay },
        { do: 'send', who, to, act: 'inform' },
        { do: 'set', who, key: 'k0', size: 5 },
        { do: 'flush', who },
        { do: 'rewind', relay },
      ]
    case 'home put back':
      return [
        { do: 'saveHome', who },
        { do: 'open', who },
        { do: 'send', who: to, to: who, act: 'inform' },
        { do: 'send', who, to, act: 'inform' },
        { do: 'set', who, key: 'k0', size: 5 },
        { do: 'sync', who },
        { do: 'restoreHome', who },
      ]
    case 'liar':
      return [
        {
          do: 'lie',
          relay,
          lies: d.of<Lies>([{ withhold: 0.5 }, { forge: 0.5 }, { replay: 0.5 }, { drop: 0.5 }, { forge: 1 }]),
        },
      ]
    default:
      return fault satisfies never
  }
}

/** One of the things that went wrong may be over. */
function reliefOf(d: Dice, names: readonly string[], relays: number): readonly Step[] {
  const relay = d.below(relays)
  const who = d.of(names)
  return [
    d.of<Step>([
      { do: 'start', relay },
      { do: 'refuse', relay, how: undefined },
      { do: 'free', relay },
      { do: 'skew', who, ms: 0 },
      { do: 'skewRelay', relay, ms: 0 },
      { do: 'freeHome', who },
      { do: 'mend', who },
      { do: 'lie', relay, lies: {} },
      { do: 'pass', ms: d.of([60_000, 700_000, 4_000_000]) },
    ]),
  ]
}

function weighed(d: Dice, kinds: readonly (readonly [number, () => Step])[]): Step {
  let left = d.below(kinds.reduce((sum, [weight]) => sum + weight, 0))
  for (const [weight, make] of kinds) {
    left -= weight
    if (left < 0) return make()
  }
  return { do: 'wait', ms: 1 }
}
