import { connect, readProfile } from 'posthorn'
import { expect, test } from 'vitest'
import { nowSeconds } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { mcpProcess } from '../mcp/stdio.ts'
import { alice } from '../sdk/agents.ts'
import { inProcess, json } from './posthorn.ts'

const places = (count: number) => Array.from({ length: count }, (_, n) => `ws://127.0.0.1:${n + 1}`)

test('init remembers, changes and forgets where others are looked for; whoami, status and MCP show it', async () => {
  const folder = tempDir()
  const env = { XDG_DATA_HOME: folder }
  const run = (...words: string[]) => inProcess(words, { env })
  const home = `${folder}/posthorn/ada`
  const [first = '', second = ''] = places(2)
  const made = await run(
    'init',
    '--as',
    'ada',
    '--relay',
    'ws://127.0.0.1:9',
    '--discovery',
    first,
    '--discovery',
    second,
    '--json',
  )
  expect(json(made)).toMatchObject({ created: true, relays: ['ws://127.0.0.1:9'], discovery: [first, second] })
  expect((await run('whoami', '--as', 'ada')).stdout).toContain(`  discovery ${second}`)
  expect(json(await run('whoami', '--as', 'ada', '--json'))).toMatchObject({ discovery: [first, second] })
  expect(json(await run('status', '--as', 'ada', '--offline', '--json'))).toMatchObject({
    discovery: [{ url: first }, { url: second }],
  })
  expect((await run('status', '--as', 'ada', '--offline')).stdout).toContain(`looks   at ${first}`)
  const mcp = await mcpProcess({ ...process.env, ...env } as Record<string, string>, ['--as', 'ada'])
  expect(JSON.stringify(await mcp.call('whoami'))).toContain(second)
  await mcp.client.close()

  const changed = await run('init', '--as', 'ada', '--discovery', second)
  expect([changed.code, changed.stderr]).toEqual([0, expect.stringContaining('where others are looked for is changed')])
  expect(readProfile(home)).toMatchObject({ relays: ['ws://127.0.0.1:9'], discovery: [second] })
  for (const bad of [places(5).join(','), 'https://lists.example', 'none,wss://lists.example'])
    expect((await run('init', '--as', 'ada', '--discovery', bad)).code, bad).toBe(2)
  expect(readProfile(home).discovery).toEqual([second])
  expect((await run('init', '--as', 'ada', '--discovery', places(4).join(','))).code).toBe(0)
  expect(readProfile(home).discovery).toHaveLength(4)
  await run('init', '--as', 'ada', '--relay', 'ws://127.0.0.1:8')
  expect(readProfile(home).discovery).toHaveLength(4)
  expect((await run('init', '--as', 'ada', '--discovery', 'none')).code).toBe(0)
  expect(readProfile(home)).not.toHaveProperty('discovery')
}, 60_000)

test('send to an npub alone finds its relay there, in a command that ends at once', async () => {
  await using own = await startRelay()
  await using theirs = await startRelay()
  await using shared = await startRelay()
  const client = await connect(shared.url)
  await client.publish(alice.sign({ kind: 10_050, created_at: nowSeconds(), tags: [['relay', theirs.url]] }))
  const run = (...words: string[]) => inProcess(words, { env })
  const env = { XDG_DATA_HOME: tempDir() }
  await run('init', '--as', 'ben', '--relay', own.url, '--discovery', shared.url)
  const sent = await run('send', '--as', 'ben', alice.pubkey, 'hello', '--json')
  expect([sent.code, json(sent)]).toMatchObject([0, { state: 'stored', relay: theirs.url }])
  expect(await client.count([{ kinds: [4700] }])).toBe(0)
  await client.close()
}, 60_000)

test('a profile that has only run short commands is found as well', async () => {
  await using own = await startRelay()
  await using theirs = await startRelay()
  await using shared = await startRelay()
  const env = { XDG_DATA_HOME: tempDir() }
  const elsewhere = { XDG_DATA_HOME: tempDir() }
  await inProcess(['init', '--as', 'cleo', '--relay', theirs.url, '--discovery', shared.url], { env: elsewhere })
  expect((await inProcess(['catchup', '--as', 'cleo'], { env: elsewhere })).code).toBe(0)
  const { pubkey } = readProfile(`${elsewhere.XDG_DATA_HOME}/posthorn/cleo`)
  await inProcess(['init', '--as', 'ben', '--relay', own.url, '--discovery', shared.url], { env })
  const sent = await inProcess(['send', '--as', 'ben', pubkey, 'hello', '--json'], { env })
  expect([sent.code, json(sent)]).toMatchObject([0, { state: 'stored', relay: theirs.url }])
}, 60_000)
