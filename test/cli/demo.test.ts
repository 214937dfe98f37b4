import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createNursery } from '#dist/cli/demo/children.js'
import { createClaims, see } from '#dist/cli/demo/claims.js'
import { enterOn } from '#dist/cli/demo/pause.js'
import { tell } from '#dist/cli/demo/story.js'
import type { Output } from '#dist/cli/output.js'
import { systemClock } from '#dist/platform/clock.js'
import { systemTimers } from '#dist/platform/timers.js'
import { tempDir } from '../helpers/temp-dir.ts'
import { json, posthorn, start } from './posthorn.ts'

const CLAIMS = [
  ['relay-listening', 'bob-awake', 'card-found', 'message-each-way', 'state-noted'],
  ['bob-killed', 'state-of-a-sleeper', 'state-changed', 'mail-stored'],
  ['relay-killed', 'mail-queued', 'relay-restarted', 'queue-sent'],
  ['caught-up', 'exactly-those', 'in-order', 'once', 'verified', 'delivery-done', 'state-synced'],
  ['second-relay', 'on-both', 'relay-cut', 'first-relay-restarted', 'relay-healed', 'other-relay-cut', 'still-once'],
].flat()

// A dozen processes one after the other: a busy machine is no failure.
vi.setConfig({ testTimeout: 120_000 })
const LONG = { longestMs: 110_000 }

/** Processes whose command line names the folder; needs /proc. */
function processesOn(folder: string): string[] {
  if (!existsSync('/proc/self/cmdline')) return []
  return readdirSync('/proc').filter(entry => {
    try {
      return /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(folder)
    } catch {
      return false
    }
  })
}

test('--json: one object, every claim checked and true, what the wake cost; nothing left behind', async () => {
  const TMPDIR = tempDir()
  const outcome = await posthorn(['demo', '--json'], { env: { TMPDIR }, ...LONG })
  expect(outcome.stderr).toBe('')
  const told = json(outcome) as { claims: { name: string; ok: boolean }[] }
  expect(told).toMatchObject({ v: 1, ok: true, wake: { events: 200 } })
  expect(told.claims.map(claim => claim.name)).toEqual(CLAIMS)
  expect(told.claims.every(claim => claim.ok)).toBe(true)
  expect(outcome.code).toBe(0)
  expect(readdirSync(TMPDIR)).toEqual([])
  expect(processesOn(TMPDIR)).toEqual([])
})

test('Ctrl-C in the middle: exit 130, no folder, no process left behind', async () => {
  const TMPDIR = tempDir()
  const demo = start(['demo'], { env: { TMPDIR } })
  await demo.says('bob answered')
  demo.child.kill('SIGINT')
  expect((await demo.ended).code).toBe(130)
  expect(readdirSync(TMPDIR)).toEqual([])
  expect(processesOn(TMPDIR)).toEqual([])
})

test('a claim that does not hold: ✗ and what was seen, no further claim, exit 1, nothing left behind', async () => {
  const TMPDIR = tempDir()
  // In bob's process every handler run is reported twice.
  const cheat = `if(process.argv[1].endsWith('agent-process.js')){const/**/tell=process.send.bind(process);process.send=(report)=>{if(report.type==='handled')tell(report);return/**/tell(report)}}`
  const NODE_OPTIONS = `--import=data:text/javascript,${cheat}`
  const outcome = await posthorn(['demo'], { env: { TMPDIR, NODE_OPTIONS }, ...LONG })
  expect(outcome.code).toBe(1)
  expect(outcome.stdout.match(/✓/g)).toHaveLength(3)
  expect(outcome.stdout).toMatch(/✗ alice asked bob .*\n {6}bob was asked 2 times\n\nIt did not hold\./)
  expect(readdirSync(TMPDIR)).toEqual([])
  expect(processesOn(TMPDIR)).toEqual([])
})

test('a message handled twice is seen: the claim fails, the story ends there', async () => {
  const nursery = createNursery()
  onTestFinished(() => nursery.killAll())
  const claims = createClaims(silent)
  let agents = 0
  const cheating: typeof nursery = {
    ...nursery,
    agent(home) {
      const agent = nursery.agent(home)
      agents += 1
      if (agents === 1) return agent
      return Object.create(agent, { handled: { get: () => [...agent.handled, ...agent.handled.slice(-1)] } })
    },
  }
  const stage = {
    waiting: 20,
    folder: tempDir(),
    claims,
    clock: systemClock,
    timers: systemTimers,
    signal: new AbortController().signal,
  }
  await expect(tell({ ...stage, nursery: cheating })).rejects.toThrow()
  const failed = claims.made.filter(claim => !claim.ok)
  expect(failed.map(claim => claim.name)).toEqual(['in-order'])
  expect(failed[0]?.saw).toContain('do not ascend')
})

test('a claim is spoken only after its proof, and a failed one with what was seen', async () => {
  const spoken: string[] = []
  const claims = createClaims({ ...silent, result: text => spoken.push(text) })
  await claims.check('a', 'it holds', () => expect(spoken).toEqual([]))
  await expect(claims.check('b', 'it does not', () => see(false, 'something else'))).rejects.toThrow('something else')
  expect(spoken).toEqual(['  ✓ it holds', '  ✗ it does not\n      something else'])
  expect(claims.made).toEqual([
    { name: 'a', ok: true, text: 'it holds' },
    { name: 'b', ok: false, text: 'it does not', saw: 'something else' },
  ])
})

test('a chapter tells what it is about, and waits for the reader before all but the first', async () => {
  const spoken: string[] = []
  const claims = createClaims({ ...silent, result: text => spoken.push(text) }, async () => void spoken.push('pause'))
  await claims.chapter('One', 'of one')
  await claims.chapter('Two', 'of two')
  expect(spoken).toEqual(['\nOne\n  of one', 'pause', '\nTwo\n  of two'])
})

test('a pause ends with Enter, at the end of the input, and when it is interrupted', async () => {
  const said: string[] = []
  const output = new PassThrough().on('data', text => said.push(String(text)))
  const [typed, ended, silentInput] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const interruption = new AbortController()
  const over: string[] = []
  const waits = Object.entries({ typed, ended, silentInput }).map(([name, input]) =>
    enterOn(input, output, 'Enter', interruption.signal).then(() => over.push(name)),
  )
  typed.write('\n')
  await vi.waitFor(() => expect(over).toEqual(['typed']))
  ended.end()
  await vi.waitFor(() => expect(over).toEqual(['typed', 'ended']))
  interruption.abort()
  await Promise.all(waits)
  expect(over).toEqual(['typed', 'ended', 'silentInput'])
  expect(said).toEqual(['Enter', 'Enter', 'Enter'])
  await enterOn(silentInput, output, 'never said', interruption.signal)
  expect(said).toHaveLength(3)
})

const plain = (text: string) => text
const paint = { bold: plain, dim: plain, green: plain, red: plain }
const silent: Output = {
  json: false,
  interactive: false,
  width: Number.POSITIVE_INFINITY,
  result() {},
  line() {},
  say() {},
  commands: (text: string) => text,
  fail() {},
  paint,
  paintTalk: paint,
}
