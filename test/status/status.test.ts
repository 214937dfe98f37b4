import { appendFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { testSeed } from '../helpers/seed.ts'
import { shorten } from '../sim/shorten.ts'
import { live } from './history.ts'
import { CALM, FAULTS, type Plan, planOf } from './plan.ts'
import { CLAIMS, count } from './world.ts'

/** `ROUNDS=` histories from `SEED=` on. Without: a few fixed ones with every fault, and one more from a fresh seed. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 1)
/** Short ones that have every fault between them; what is said in them is counted below. */
const FIXED = [47, 53, 434, 519, 6, 8, 69, 262]
/** Figures of the run, for those who keep them. */
const FIGURES = process.env['FIGURES']
/** No history begins after so long; for long runs. */
const END = performance.now() + Number(process.env['MINUTES'] ?? 30) * 60_000
/** One is explained. */
const MAX_BROKEN = 20
const SIDE_BY_SIDE = Number(process.env['SIDE_BY_SIDE'] ?? 8)

const seed = testSeed('status')
const isShare = !process.env['SEED'] && !process.env['ROUNDS']
const plans = [
  ...(isShare ? [CALM, ...FIXED.map(planOf)] : []),
  ...Array.from({ length: ROUNDS }, (_, n) => planOf(seed + n)),
]

const tell = ({ steps, ...plan }: Plan) =>
  `${JSON.stringify(plan)}\n${steps.map(step => JSON.stringify(step)).join('\n')}`

const told = (broken: readonly { seed: number; faults: readonly string[] }[]) =>
  broken.map(({ seed, faults }) => ({ seed, faults }))

async function explain(plan: Plan): Promise<string> {
  const story = await shorten(plan, async shorter => (await live(shorter)).faults.length > 0)
  const { faults } = await live(story)
  return `SEED=${plan.seed}, at its shortest:\n${faults.join('\n')}\n${tell(story)}`
}

test(`${plans.length} histories of things that go wrong: what is said is so`, {
  timeout: 120_000 + plans.length * 60_000,
}, async () => {
  const held = new Map<string, number>()
  const exercised = new Map<string, number>()
  const known = new Map<string, number>()
  /** The first history in which each was met. */
  const met = new Map<string, number>()
  let lived = 0
  let restarts = 0
  const broken: { plan: Plan; seed: number; faults: readonly string[] }[] = []
  async function next(): Promise<void> {
    const plan = plans[lived]
    if (plan === undefined || performance.now() > END || broken.length >= MAX_BROKEN) return
    lived += 1
    const history = await live(plan)
    restarts += history.restarts
    for (const [claim, times] of history.held) count(held, claim, times)
    for (const [fault, times] of history.exercised) count(exercised, fault, times)
    for (const [what, times] of history.known) {
      count(known, what, times)
      if (!met.has(what)) met.set(what, plan.seed)
    }
    if (process.env['VERBOSE']) console.log(`${plan.seed}: ${Math.round(history.ms)} ms, ${history.restarts} restarts`)
    if (history.faults.length > 0) {
      broken.push({ plan, seed: plan.seed, faults: history.faults })
      // A run that is stopped has said this much.
      console.log(`status: SEED=${plan.seed} ${history.faults.join('\n  ')}`)
    }
    return next()
  }
  // They wait more than they work.
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, next))
  const figures = { held: Object.fromEntries(held), exercised: Object.fromEntries(exercised), restarts }
  if (FIGURES !== undefined)
    appendFileSync(
      FIGURES,
      `${JSON.stringify({ test: 'status', seed, rounds: lived, of: plans.length, ...figures, known: Object.fromEntries(known), broken: told(broken) })}\n`,
    )
  console.log(`status: ${lived} histories, ${JSON.stringify(figures)}`)
  for (const [what, times] of known)
    console.log(`status: known and open, met ${times} times, first by SEED=${met.get(what)}: ${what}`)
  const [first] = broken
  if (first && process.env['EXPLAIN'] !== '0')
    expect.unreachable(`${JSON.stringify(told(broken))}\n${await explain(first.plan)}`)
  expect(told(broken)).toEqual([])
  if (!isShare && plans.length < 100) return
  // By turns, not by time: each was there, and each was held.
  for (const fault of FAULTS) expect(exercised.get(fault) ?? 0, fault).toBeGreaterThan(0)
  for (const claim of CLAIMS) expect(held.get(claim) ?? 0, claim).toBeGreaterThan(0)
})
