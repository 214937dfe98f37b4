import { appendFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { testSeed } from '../helpers/seed.ts'
import { type Figures, live } from './history.ts'
import { type Plan, planOf } from './plan.ts'
import { shorten } from './shorten.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 40)
/** Every so manieth history has real keys, which cost as much as thirty others. */
const REAL_EVERY = ROUNDS > 1_000 ? 500 : 50
/** One is explained. */
const MAX_BROKEN = 20
/** No history begins after so long; for long runs. */
const END = performance.now() + Number(process.env['MINUTES'] ?? 30) * 60_000
/** Figures of the run, for those who keep them. */
const FIGURES = process.env['FIGURES']

const seed = testSeed('sim')
const keysOf = (n: number) => (n % REAL_EVERY === REAL_EVERY - 1 ? 'real' : 'stand-in')
async function explain(seed: number, keys: 'real' | 'stand-in'): Promise<string> {
  const story = await shorten(planOf(seed), async shorter => (await live(shorter, keys)).faults.length > 0)
  const { faults } = await live(story, keys)
  return `SEED=${seed}, at its shortest:\n${faults.join('\n')}\n${tell(story)}`
}

const tell = ({ steps, ...plan }: Plan) =>
  `${JSON.stringify(plan)}\n${steps.map(step => JSON.stringify(step)).join('\n')}`

test(`${ROUNDS} histories of cut, killed, rewound, lying relays and of agents that crash anywhere, return from backups and are cloned`, {
  timeout: 60_000 + ROUNDS * 5_000,
}, async () => {
  const total: Partial<Figures> = {}
  let lived = 0
  const broken: { seed: number; fault: string | undefined }[] = []
  for (let n = 0; n < ROUNDS && performance.now() < END; n += 1) {
    lived += 1
    const plan = planOf(seed + n)
    const { faults, figures } = await live(plan, keysOf(n))
    if (faults.length > 0) {
      broken.push({ seed: seed + n, fault: faults[0] })
      // A run that is stopped has said this much.
      console.log(`sim: SEED=${seed + n} ${faults[0]}`)
    }
    if (broken.length > MAX_BROKEN) break
    for (const [name, value] of Object.entries(figures))
      total[name as keyof Figures] = (total[name as keyof Figures] ?? 0) + value
  }
  if (FIGURES !== undefined)
    appendFileSync(FIGURES, `${JSON.stringify({ test: 'sim', seed, rounds: lived, of: ROUNDS, ...total, broken })}\n`)
  console.log(`sim: ${lived} histories, ${JSON.stringify(total)}`)
  const [first] = broken
  if (first !== undefined)
    expect.unreachable(`${JSON.stringify(broken)}\n${await explain(first.seed, keysOf(first.seed - seed))}`)
  expect(total.sent).toBeGreaterThan(0)
})
