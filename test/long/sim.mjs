// Histories of one test file (default: the simulated ones), a share of them in a process for each core. Each history has a seed of its own: SEED, SEED + 1, …
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const file = process.argv[2] ?? 'test/sim/history.test.ts'
const rounds = Number(process.env.ROUNDS ?? 1_000)
const seed = Number(process.env.SEED ?? 1)
const shards = Number(process.env.SHARDS ?? availableParallelism())
const share = Math.ceil(rounds / shards)

const children = new Set()
// Out of time: what was started here ends with it, its workers too, which outlive a signal to their parent alone.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    for (const { pid } of children) process.kill(-pid, 'SIGTERM')
    process.exit(1)
  })

const ends = await Promise.all(
  Array.from({ length: shards }, async (_, n) => {
    const env = {
      ...process.env,
      SEED: String(seed + n * share),
      ROUNDS: String(Math.min(share, rounds - n * share)),
      // A history is over before its garbage needs a second look.
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --max-semi-space-size=64`,
    }
    const child = spawn(process.execPath, [VITEST, 'run', file], { env, stdio: 'inherit', detached: true })
    children.add(child)
    const [code] = await once(child, 'exit')
    children.delete(child)
    return code
  }),
)
process.exitCode = ends.every(code => code === 0) ? 0 : 1
