import { connect } from 'posthorn'
import { saneDefaults } from 'posthorn/relay'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'
import { scriptedRelay } from '../sdk/scripted-relay.ts'
import { inProcess, json, jsonLines } from './posthorn.ts'

const ada = person('ada')
const env = (folder: string) => ({ env: { XDG_DATA_HOME: folder } })
let owner: string
let folder: string
let empty: string
beforeAll(async () => {
  folder = makeTempDir()
  empty = makeTempDir()
  const init = async (name: string) => String(json(await quick(['init', '--as', name, '--json']))['pubkey'])
  await quick(['init'])
  owner = await init('owner')
  await init('stranger')
  await init('outsider')
  return () => {
    removeDir(folder)
    removeDir(empty)
  }
})
const quick = (args: readonly string[]) => inProcess(args, env(folder))
const nobody = (args: readonly string[]) => inProcess(args, env(empty))

describe('a relay that demands AUTH', () => {
  test('publish, req, count and sync use the key of the profile', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
    await using other = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
    const at = ['--relay', relay.url]
    const published = await inProcess(['publish', '--kind', '1', 'hello', ...at], env(folder))
    expect(published).toMatchObject({ code: 0, lines: [expect.stringMatching(/^[0-9a-f]{64}$/)] })
    const [id = ''] = published.lines
    const asked = await inProcess(['req', '{"kinds":[1]}', ...at], env(folder))
    expect(asked).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(asked.stdout)).toMatchObject({ id })
    expect(await inProcess(['count', '{"kinds":[1]}', ...at], env(folder))).toMatchObject({ code: 0, lines: ['1'] })
    expect((await inProcess(['sync', relay.url, other.url, '{"kinds":[1]}', '--dir', 'to'], env(folder))).code).toBe(0)
    expect((await quick(['count', '{"kinds":[1]}', '--relay', other.url])).lines).toEqual(['1'])
  })

  test('without a profile: exit 4, the reason, and what to do', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
    const at = ['--relay', relay.url]
    const event = JSON.stringify(ada.sign({ kind: 1, created_at: nowSeconds() }))
    const outcomes = [
      await nobody(['req', '{"kinds":[1]}', ...at]),
      await nobody(['count', '{"kinds":[1]}', ...at]),
      await nobody(['publish', event, ...at]),
      await nobody(['sync', relay.url, relay.url.replace('127.0.0.1', 'localhost'), '{"kinds":[1]}']),
    ]
    for (const { code, stderr } of outcomes) {
      expect(stderr).toMatch(/auth-required: .*no profile/)
      expect(stderr).toContain('posthorn init')
      expect(code).toBe(4)
    }
  })

  test('only to write: reading does not tell who asks', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'write' }) })
    const at = ['--relay', relay.url]
    expect((await nobody(['count', '{"kinds":[1]}', ...at])).code).toBe(0)
    expect((await quick(['publish', '--kind', '1', 'hello', ...at])).code).toBe(0)
    const scripted = await scriptedRelay(
      (peer, frame) => frame[0] === 'REQ' && peer.send('EOSE', frame[1]),
      peer => peer.send('AUTH', 'who are you'),
    )
    expect((await quick(['req', '{"kinds":[1]}', '--relay', scripted.url])).code).toBe(3)
    expect(scripted.heard.map(([type]) => type)).not.toContain('AUTH')
  })

  test('mail over it, and status says that all is well', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
    const at = ['--relay', relay.url]
    await quick(['init', '--as', 'stranger', ...at])
    expect((await inProcess(['send', 'stranger', 'hello', '--as', 'owner', ...at], env(folder))).code).toBe(0)
    const inbox = await inProcess(['inbox', '--as', 'stranger', '--json', ...at], env(folder))
    expect(inbox.code).toBe(0)
    expect(jsonLines(inbox)).toMatchObject([{ text: 'hello' }, { health: { synced: true } }])
    expect(await quick(['status', '--as', 'stranger', ...at])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('live, caught up'),
    })
    expect((await quick(['catchup', '--as', 'stranger', ...at])).code).toBe(0)
  })
})

test('members only: every verb of a stranger exits 4 before its time is over and says how to become a member; he does, and is served', async () => {
  await using relay = await startRelay({ policy: saneDefaults({ members: true }), owners: [owner] })
  const at = ['--relay', relay.url]
  await quick(['init', '--as', 'owner', ...at])
  const as = (name: string, ...args: string[]) => quick([...args, '--as', name, ...at])
  const patience = ['--timeout', '600']
  const refused = [
    await as('outsider', 'send', 'owner', 'let me in', ...patience),
    await as('outsider', 'inbox', ...patience),
    await as('outsider', 'catchup', '--max-ms', '600000'),
    await as('outsider', 'status'),
    await as('outsider', 'req', '{"kinds":[1]}'),
    await as('outsider', 'count', '{"kinds":[1]}'),
    await as('outsider', 'publish', '--kind', '1', 'hello'),
  ]
  for (const { code, stdout, stderr } of refused) {
    expect(stdout + stderr).toContain('restricted: ')
    expect(stderr).toMatch(/ask the relay's owner for an invite/)
    expect(code).toBe(4)
  }
  const told = await as('outsider', 'status', '--json')
  expect(json(told)).toMatchObject({
    relays: [{ state: 'catching-up', error: expect.stringMatching(/^restricted: /) }],
  })

  const invite = JSON.parse((await as('owner', 'req', '{"kinds":[28935]}')).stdout) as { tags: string[][] }
  const code = invite.tags.find(([name]) => name === 'claim')?.[1] ?? ''
  // As the hint says.
  const joined = await as('outsider', 'publish', '--kind', '28934', '--tag=-', '--tag', `claim=${code}`)
  expect(joined.stderr).toContain('welcome')
  expect(joined.code).toBe(0)
  expect((await as('outsider', 'send', 'owner', 'thank you')).code).toBe(0)
  expect((await as('owner', 'inbox', '--json')).code).toBe(0)
})

test('a profile whose clock the relay does not accept: mail stays queued, exit 4 with the reason', async () => {
  const relay = await scriptedRelay(
    (peer, frame) => {
      if (frame[0] === 'AUTH') peer.send('OK', frame[1].id, false, 'invalid: created_at is far off; check your clock')
      else if (frame[0] === 'EVENT') peer.send('OK', frame[1].id, false, 'auth-required: members write')
      else if (frame[0] === 'REQ') {
        peer.send('SEQ', frame[1], frame[2].since_seq ?? 0, '0000000000010000')
        peer.send('EOSE', frame[1], ['finish', 'seq:0', 'epoch:0000000000010000', 'scope:aa'])
      }
    },
    peer => peer.send('AUTH', 'who are you'),
  )
  const sent = await quick([
    'send',
    'owner',
    'hello',
    '--as',
    'stranger',
    '--relay',
    relay.url,
    '--timeout',
    '1',
    '--json',
  ])
  expect(json(sent)).toMatchObject({ queued: true })
  expect(sent.stderr).toContain('check your clock')
  expect(sent.code).toBe(4)
  expect(await quick(['status', '--as', 'stranger', '--relay', relay.url])).toMatchObject({ code: 4 })
})

test('a key file that others can read is not used, and that is said', async () => {
  await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
  const { chmodSync } = await import('node:fs')
  const home = String(json(await quick(['init', '--as', 'open', '--json']))['home'])
  chmodSync(`${home}/key`, 0o644)
  onTestFinished(() => chmodSync(`${home}/key`, 0o600))
  const asked = await quick(['count', '{}', '--as', 'open', '--relay', relay.url])
  expect(asked.stderr).toMatch(/auth-required: .*chmod 600/)
  expect(asked.code).toBe(4)
  const client = await connect(relay.url)
  await expect(client.count([{}])).rejects.toMatchObject({ code: 'relay-refused' })
  await client.close()
})
