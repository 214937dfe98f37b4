import { join } from 'node:path'
import { connect, readProfile } from 'posthorn'
import { expect, test } from 'vitest'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { nowSeconds } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { mcpProcess } from '../mcp/stdio.ts'
import { alice } from '../sdk/agents.ts'
import { inProcess, json, messagesOf } from './posthorn.ts'

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

test('a profile that has only run short commands is found as well; what was left elsewhere before follows it', async () => {
  await using own = await startRelay()
  await using theirs = await startRelay()
  await using shared = await startRelay()
  const [env, elsewhere] = [{ XDG_DATA_HOME: tempDir() }, { XDG_DATA_HOME: tempDir() }]
  const ben = (...words: string[]) => inProcess([...words, '--as', 'ben'], { env })
  const cleo = (...words: string[]) => inProcess([...words, '--as', 'cleo'], { env: elsewhere })
  await ben('init', '--relay', own.url, '--discovery', shared.url)
  await cleo('init', '--relay', theirs.url, '--discovery', shared.url)
  const { pubkey } = readProfile(join(elsewhere.XDG_DATA_HOME, 'posthorn/cleo'))
  expect(json(await ben('send', pubkey, 'one', '--json'))).toMatchObject({ state: 'stored', route: 'own-relays' })
  const found = async () =>
    (json(await cleo('doctor', '--json')) as { findings: { check: string }[] }).findings.filter(
      ({ check }) => check === 'discovery',
    )
  expect(await found()).toMatchObject([{ level: 'ok', what: expect.stringContaining('no relay list of this key yet') }])
  expect((await cleo('catchup')).code).toBe(0)
  expect(await found()).toMatchObject([{ level: 'ok', what: expect.stringContaining('has the relay lists') }])
  // That nothing was found is asked about again after a minute.
  const db = new (loadDriver())(join(env.XDG_DATA_HOME, 'posthorn/ben/mail.db'))
  db.prepare('UPDATE relay_notes SET asked_ms = asked_ms - 61000 WHERE pubkey = ?').run(pubkey)
  db.close()
  expect((await ben('catchup')).code).toBe(0)
  expect(json(await ben('send', pubkey, 'two', '--json'))).toMatchObject({ state: 'stored', relay: theirs.url })
  await cleo('catchup')
  expect(messagesOf(await cleo('inbox', '--json', '--offline')).map(({ text }) => text)).toEqual(['one', 'two'])
  await cleo('init', '--discovery', 'ws://127.0.0.1:9')
  expect(await found()).toMatchObject([{ level: 'warn', code: 'discovery-unreachable', about: 'ws://127.0.0.1:9' }])
  expect((await cleo('doctor')).code).toBe(0)
}, 60_000)
