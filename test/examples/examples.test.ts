import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'

const EXAMPLES = resolve(import.meta.dirname, '../../examples')

/** Runs an example as its reader would, in a home of its own; rejects unless it exits 0. */
async function run(args: string[], input = ''): Promise<string[]> {
  const home = makeTempDir()
  const env = { PATH: process.env.PATH, HOME: home, TMPDIR: home }
  try {
    const running = promisify(execFile)(process.execPath, args, { cwd: EXAMPLES, timeout: 60_000, env })
    running.child.stdin?.end(input)
    return (await running).stdout.trim().split('\n')
  } finally {
    removeDir(home)
  }
}

// They wait more than they work.
test.concurrent('two agents', async ({ expect }) => {
  expect(await run(['two-agents.mjs'])).toEqual([
    'ada: sent, and stored by the relay',
    'bob: ada says “the report is on page 7”',
    'ada: bob answers “read it, thank you”',
  ])
})

test.concurrent('a research team that delegates', async ({ expect }) => {
  expect(await run(['research-team.mjs'])).toEqual([
    'library: three papers on bees',
    'web: forty pages about bees',
    'critic: 2 findings, sound',
  ])
})

test.concurrent.for([
  ['yes\n', 'deploying, approved by carol'],
  ['not on a friday\n', 'not deployed: carol says not on a friday'],
])('human approval: %j', async ([typed, outcome], { expect }) => {
  const [question, said] = await run(['human-approval.mjs'], typed)
  expect(question).toBe('deployer asks: deploy version 7 to production? [yes/no]')
  expect(said).toBe(outcome)
})

test.concurrent('a document that two agents write, one of them offline for a while', async ({ expect }) => {
  expect(await run([join('shared-document', 'edit.mjs')])).toEqual([
    '[ ] find an editor',
    '[ ] write chapter one',
    '[x] collect sources',
    'both have the same',
  ])
})

test.concurrent('testing your own agent', async ({ expect }) => {
  const said = await run(['--test', join(EXAMPLES, 'testing')])
  expect(said).toEqual(expect.arrayContaining(['# pass 4', '# fail 0']))
})

test('every example is run: here, or in a browser', () => {
  // `sleeping-phone` is a page: test/browser plays it.
  expect(readdirSync(EXAMPLES).toSorted()).toEqual([
    'human-approval.mjs',
    'research-team.mjs',
    'shared-document',
    'sleeping-phone',
    'testing',
    'two-agents.mjs',
  ])
})
