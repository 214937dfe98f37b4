import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npubOf, openAgent } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { BIN, inProcess, json, posthorn } from './posthorn.ts'

// What somebody meets who uses this for the first time.

async function scene() {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const folder = tempDir()
  const env = { XDG_DATA_HOME: folder }
  const run = (...args: string[]) => inProcess(args, { env })
  return { relay, run, env, home: (name: string) => join(folder, 'posthorn', name) }
}

test('a contact cannot take the name of a profile of this machine, unless it is that key', async () => {
  const { relay, run, home } = await scene()
  for (const name of ['ann', 'bob']) await run('init', '--as', name, '--relay', relay.url)
  const npub = npubOf(person('another bob').pubkey)
  const refused = await run('contact', 'add', 'bob', npub, '--as', 'ann')
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/called bob/)
  const [, advice = ''] = /posthorn (contact add bob-2 \S+)/.exec(refused.stderr) ?? []
  expect((await run(...advice.split(' '), '--as', 'ann')).code).toBe(0)
  expect((await run('send', 'bob', 'hello', '--as', 'ann')).code).toBe(0)
  const [own = ''] = /npub1\w+/.exec((await run('whoami', '--as', 'bob')).stdout) ?? []
  expect((await run('contact', 'add', 'bob', own, '--as', 'ann')).code).toBe(0)
  const agent = await openAgent({ home: home('ann'), relays: [relay.url] })
  expect(() => agent.contacts.add('bob', npub)).toThrow('choose another name')
  // Beside a running agent, too.
  expect((await run('contact', 'add', 'bob', npub, '--as', 'ann')).code).toBe(1)
  await agent.close()
})

test('catchup says that what was queued went out', async () => {
  const { relay, run } = await scene()
  const at = async (url: string) => {
    for (const name of ['ann', 'bob']) await run('init', '--as', name, '--relay', url)
  }
  await at('ws://127.0.0.1:9')
  expect((await run('send', 'bob', 'hello', '--as', 'ann', '--timeout', '0.3')).code).toBe(5)
  await at(relay.url)
  const caughtUp = await run('catchup', '--as', 'ann')
  expect(caughtUp.stdout).toContain('1 queued message of yours went out')
  expect(json(await run('catchup', '--as', 'ann', '--json'))).toMatchObject({ wentOut: 0 })
})

test('a mistyped profile and a verb that people try are answered with what was meant', async () => {
  const { run } = await scene()
  await run('init', '--as', 'reviewer', '--relay', 'ws://127.0.0.1:9')
  expect((await run('status', '--as', 'reveiwer')).stderr).toContain('did you mean --as reviewer?')
  const asked = await run('ask', 'bob', 'well?')
  expect(asked.code).toBe(2)
  expect(asked.stderr).toMatch(/posthorn send <to> <question> .*--wait 60/)
})

test('commands are printed as the reader started this one', async () => {
  const { env } = await scene()
  const npx = { ...env, npm_execpath: '/usr/lib/npm/cli.js', npm_config_user_agent: 'npm/11.0.0 node/v22.0.0' }
  for (const args of [[], ['help'], ['help', 'send'], ['nope'], ['status']]) {
    const { stdout, stderr } = await inProcess(args, { env: npx })
    const text = `${stdout}${stderr}`.replace(/^posthorn [\w ]+(:| <|\[| …)/gm, '')
    expect(text, args.join(' ')).toContain('npx posthorn ')
    expect(text.match(/(?<!npx )(?<![\w./@-])posthorn (?=[a-z]+ )/g) ?? [], args.join(' ')).toEqual([])
  }
})

test('without its SQLite driver: doctor fails and says why, demo prints words and no JSON', async () => {
  const { env } = await scene()
  const hook = join(tempDir(), 'no-driver.cjs')
  writeFileSync(
    hook,
    `const Module = require('node:module'); const load = Module._load
Module._load = function (id, ...rest) {
  if (/^better-sqlite3/.test(id)) throw Object.assign(new Error('Cannot find module ' + id), { code: 'MODULE_NOT_FOUND' })
  return load.call(this, id, ...rest)
}`,
  )
  const options = { bin: BIN, env: { ...env, NODE_OPTIONS: `--require=${hook}` } }
  await inProcess(['init', '--as', 'ann', '--relay', 'ws://127.0.0.1:9'], { env })
  const doctor = await posthorn(['doctor', '--as', 'ann', '--timeout', '0.5'], options)
  expect(doctor.stdout).toMatch(/FAIL {2}sqlite +No SQLite/)
  expect(doctor.stderr).not.toContain('all well')
  expect(doctor.code).not.toBe(0)
  const demo = await posthorn(['demo', '--fast'], options)
  expect(demo.code).toBe(1)
  expect(demo.stdout + demo.stderr).toContain('No SQLite')
  expect(demo.stdout + demo.stderr).not.toContain('"error"')
})
