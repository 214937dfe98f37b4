import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { eventually } from '../sdk/agents.ts'
import { inProcess, json, jsonLines } from './posthorn.ts'

test('state: set, read here and elsewhere, watched, removed; beside a running agent it is handed over', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const env = { XDG_DATA_HOME: root }
  const run = (line: string) => inProcess(line.split(' '), { env })
  for (const name of ['alice', 'bob']) await run(`init --as ${name} --relay ${relay.url}`)

  expect(await run('state get --as alice')).toMatchObject({ code: 3 })
  expect(await run('state set --as alice mood curious plan [1,2] --json')).toMatchObject({ code: 0 })
  expect(json(await run('state get --as alice --json'))).toMatchObject({ values: { mood: 'curious', plan: [1, 2] } })
  expect(json(await run('state get plan --as bob --of alice --json'))).toMatchObject({ key: 'plan', value: [1, 2] })
  expect(await run('state get nothing --as bob --of alice')).toMatchObject({ code: 3 })
  expect(await run('state set --as alice --private diary dull')).toMatchObject({ code: 0 })
  expect(json(await run('state get --as alice --private --json'))).toMatchObject({ values: { diary: 'dull' } })
  expect((await run('state get --as bob --of alice')).stdout).not.toContain('diary')
  expect(await run('state set --as alice +mood x')).toMatchObject({ code: 2 })
  expect(await run('state set --as alice mood')).toMatchObject({ code: 2 })

  const watching = run('state watch alice mood --as bob --for 2 --json')
  const agent = await openAgent({ home: join(root, 'posthorn', 'alice') })
  onTestFinished(async () => void (await agent.close()))
  const own = await agent.state.open()
  const handed = await run('state set --as alice mood tired')
  expect(handed).toMatchObject({ code: 0, stderr: expect.stringContaining('handed to the running agent') })
  await eventually('the agent has it', () => own.view.get('mood') === 'tired')
  await run('state del --as alice plan')
  await eventually('the agent has removed it', () => own.view.get('plan') === undefined)
  expect(json(await run('state get --as alice --json'))).toMatchObject({ values: { mood: 'tired' } })
  await agent.state.flush()
  expect(json(await run('state get mood --as bob --of alice --json'))).toMatchObject({ value: 'tired' })
  expect(jsonLines(await watching).map(({ value }) => value)).toEqual(['curious', 'tired'])
})

test('without a relay it is kept, and told so', async () => {
  const env = { XDG_DATA_HOME: tempDir() }
  const run = (line: string) => inProcess(line.split(' '), { env })
  await run('init --relay ws://127.0.0.1:9')
  expect(await run('state set mood gloomy --timeout 1')).toMatchObject({ code: 5 })
  expect((await run('state get mood')).stdout).toBe('gloomy\n')
})

test('the relays in an nprofile are asked; what cannot be read is not said not to be there', async () => {
  const theirs = await startRelay()
  await using ours = await startRelay()
  const [env, elsewhere] = [{ XDG_DATA_HOME: tempDir() }, { XDG_DATA_HOME: tempDir() }]
  const ann = (...words: string[]) => inProcess([...words, '--as', 'ann'], { env: elsewhere })
  const bea = (...words: string[]) => inProcess([...words, '--as', 'bea'], { env })
  await ann('init', '--relay', theirs.url)
  await bea('init', '--relay', ours.url)
  await ann('state', 'set', 'mood', 'curious')
  const { npub, nprofile } = json(await ann('whoami', '--json')) as { npub: string; nprofile: string }
  expect(await bea('state', 'get', 'mood', '--of', nprofile)).toMatchObject({ code: 0, stdout: 'curious\n' })
  expect(await bea('state', 'get', 'plan', '--of', nprofile)).toMatchObject({ code: 3 })
  expect(await bea('state', 'get', 'mood', '--of', npub)).toMatchObject({ code: 5 })
  await theirs[Symbol.asyncDispose]()
  for (const words of [['mood'], []]) {
    const said = await bea('state', 'get', ...words, '--of', nprofile, '--timeout', '1')
    expect([said.code, said.stderr]).toEqual([5, expect.stringContaining('it is not known whether there is')])
  }
})
