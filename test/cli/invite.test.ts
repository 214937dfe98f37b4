import { statSync } from 'node:fs'
import { join } from 'node:path'
import { npubOf, openAgent, readProfile } from 'posthorn'
import { saneDefaults } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { eventually } from '../sdk/agents.ts'
import { inProcess, json, jsonLines, messagesOf } from './posthorn.ts'

const carol = person('carol')
const NOWHERE = 'ws://127.0.0.1:9'

/** Everybody on a machine of their own. */
function machine(name: string) {
  const home = join(tempDir(), 'posthorn', name)
  const env = { POSTHORN_HOME: home }
  return {
    home,
    run: (args: string[], input?: string) => inProcess(args, { env, ...(input === undefined ? {} : { input }) }),
    quick: (line: string, input?: string) =>
      inProcess(line.split(' '), { env, ...(input === undefined ? {} : { input }) }),
  }
}

test('an invite into a relay for members: created, the inviter sleeps, accepted, written to; awake, it knows the sender', async () => {
  const alice = machine('alice')
  const bob = machine('bob')
  const owner = json(await alice.quick(`init --relay ${NOWHERE} --json`))['pubkey'] as string
  await using relay = await startRelay({ policy: saneDefaults({ members: true }), owners: [owner] })
  await using elsewhere = await startRelay()
  await alice.quick(`init --relay ${relay.url}`)
  await bob.quick(`init --relay ${elsewhere.url}`)

  const created = await alice.run(['invite', 'create', '--relay-invite', '--note', 'for bob', '--json'])
  expect(created).toMatchObject({ code: 0 })
  const { invite, id } = json(created) as { invite: string; id: string }
  expect(invite).toMatch(/^posthorn:npub1[^?]+\?relay=/)

  const { nprofile } = json(await alice.quick('whoami --json')) as { nprofile: string }
  const refused = await bob.run(['send', nprofile, 'before joining'])
  expect(refused).toMatchObject({ code: 4 })
  expect(refused.stderr).toContain('offered again once an invite joins')
  expect(refused.stderr).not.toContain('not offered again')

  const accepted = await bob.run(['invite', 'accept', '-', '--json'], `${invite}\n`)
  expect(accepted).toMatchObject({ code: 0 })
  expect(json(accepted)).toMatchObject({
    v: 1,
    contact: { name: 'alice', pubkey: owner },
    relays: [relay.url],
    state: 'stored',
    queued: false,
  })
  expect(readProfile(bob.home).relays).toEqual([elsewhere.url, relay.url])
  expect(await bob.quick('send alice hello')).toMatchObject({ code: 0 })

  const inbox = messagesOf(await alice.quick('inbox --json'))
  // What the relay had refused goes out once it takes it.
  expect(inbox.filter(({ text }) => text === 'before joining')).toHaveLength(1)
  expect(inbox.find(({ text }) => text === 'hello')).toMatchObject({ known: true, fromName: 'bob' })
  expect(jsonLines(await alice.quick('invite list --json'))).toEqual([
    expect.objectContaining({ id, state: 'used', note: 'for bob', usedBy: [readProfile(bob.home).pubkey] }),
  ])
  expect(statSync(join(alice.home, 'invites.json')).mode & 0o777).toBe(0o600)
  expect(jsonLines(await alice.quick('contact list --json')).map(({ name }) => name)).toEqual(['bob'])

  // Asked again, it is the same message, answered by now. The code of the relay was used up by the first time.
  const again = await bob.quick(`invite accept ${invite.replace(/&claim=.*/, '')} --wait 10 --json`)
  expect(json(again)).toMatchObject({ id: json(accepted)['id'], state: 'done' })
  expect(again.code).toBe(0)
})

test('what goes wrong has its exit code, and changes nothing', async () => {
  const alice = machine('alice')
  const bob = machine('bob')
  for (const each of [alice, bob]) await each.quick(`init --relay ${NOWHERE}`)
  expect((await alice.quick('invite list')).code).toBe(3)
  const invite = (await alice.quick('invite create --uses 2 --valid 60')).stdout.trim()
  const id = String(jsonLines(await alice.quick('invite list --json'))[0]?.['id'])
  const cases: [line: string, code: number, says: RegExp][] = [
    ['invite accept nonsense', 2, /no invite/],
    [`invite accept ${invite.slice(0, -40)}`, 2, /no invite/],
    [`invite accept ${invite.replace(/expires=\d+/, 'expires=1')}`, 1, /expired/],
    [`invite accept ${invite.replace(/relay=[^&]+/, 'relay=http%3A%2F%2Fx.example')}`, 1, /relay/],
    [`invite accept ${invite}&claim=abc`, 5, /cannot reach/],
  ]
  for (const [line, code, says] of cases) {
    const outcome = await bob.quick(line)
    expect([line.slice(0, 30), outcome.code]).toEqual([line.slice(0, 30), code])
    expect(outcome.stderr).toMatch(says)
    expect(outcome.stdout).toBe('')
  }
  expect(jsonLines(await bob.quick('contact list --json'))).toHaveLength(0)
  for (const [line, code] of [
    [`invite accept ${invite}`, 2],
    ['invite create --uses 0', 2],
    ['invite create --uses 2 --relay-invite', 5],
    ['invite revoke xyz', 2],
    ['invite revoke ffff', 3],
    [`invite revoke ${id.slice(0, 4)}`, 0],
    [`invite revoke ${id}`, 3],
  ] as const)
    expect([line.slice(0, 30), (await alice.quick(line)).code]).toEqual([line.slice(0, 30), code])
  // Queued is no failure of the invite: both stand, and it goes out later.
  const queued = await bob.quick(`invite accept ${invite} --name boss --timeout 0.2 --json`)
  expect(queued.code).toBe(5)
  expect(json(queued)).toMatchObject({ queued: true, contact: { name: 'boss' } })
})

test('contacts: added, renamed, allowed, denied, removed', async () => {
  const { quick } = machine('alice')
  await quick(`init --relay ${NOWHERE}`)
  const npub = npubOf(carol.pubkey)
  const standings = async () =>
    jsonLines(await quick('contact list --json'))
      .filter(({ pubkey }) => pubkey === carol.pubkey)
      .map(({ name, standing }) => [name, standing])
  expect(json(await quick(`contact add carol ${npub} --json`))).toEqual({
    v: 1,
    name: 'carol',
    npub,
    pubkey: carol.pubkey,
    standing: 'contact',
  })
  await quick(`contact add caro ${carol.pubkey}`)
  expect(await standings()).toEqual([['caro', 'contact']])
  expect((await quick(`contact add caro ${person('x').pubkey}`)).code).toBe(1)
  expect((await quick(`contact add no/name ${npub}`)).code).toBe(2)
  expect((await quick('contact add x nobody')).code).toBe(3)
  expect((await quick('contact deny caro')).code).toBe(0)
  expect(await standings()).toEqual([[undefined, 'denied']])
  expect((await quick(`contact allow ${npub}`)).code).toBe(0)
  expect(await standings()).toEqual([[undefined, 'allowed']])
  expect((await quick(`contact remove ${npub}`)).code).toBe(0)
  expect(await standings()).toEqual([])
  expect((await quick(`contact remove ${npub}`)).code).toBe(3)
})

test('beside a running agent all of it is handed over, and done by the agent', async () => {
  await using relay = await startRelay()
  const alice = machine('alice')
  const bob = machine('bob')
  for (const { home, quick } of [alice, bob]) await quick(`init --relay ${home === alice.home ? relay.url : NOWHERE}`)
  const open = async (home: string) => {
    const agent = await openAgent({ home, presence: false, announce: false })
    onTestFinished(async () => void (await agent.close({ timeoutMs: 0 })))
    return agent
  }
  const [a, b] = [await open(alice.home), await open(bob.home)]
  expect((await alice.quick(`contact add carol ${carol.pubkey}`)).code).toBe(0)
  await eventually('carol', () => a.contacts.list().some(({ name }) => name === 'carol'))
  expect((await alice.quick('contact deny carol')).code).toBe(0)
  await eventually('denied', () => a.requests.list().some(({ verdict }) => verdict === 'denied'))
  expect((await alice.quick(`contact remove ${carol.pubkey}`)).code).toBe(0)
  await eventually('forgotten', () => a.requests.list().length === 0)

  const lines = [await alice.quick('invite create'), await alice.quick('invite create')]
  await eventually('both', () => a.invites.list().length === 2)
  const kept = lines[0]?.stdout.trim() ?? ''
  const accepted = await bob.quick(`invite accept ${kept} --wait 15 --json`)
  expect(json(accepted)).toMatchObject({ state: 'done', contact: { name: 'alice' } })
  expect(accepted.code).toBe(0)
  expect(b.contacts.list().map(({ name }) => name)).toContain('alice')
  expect(b.status().relays.map(({ url }) => url)).toEqual([NOWHERE, relay.url])
  expect(readProfile(bob.home).relays).toEqual([NOWHERE, relay.url])
  const rest = a.invites.list().find(({ state }) => state === 'open')?.id
  expect((await alice.quick(`invite revoke ${rest}`)).code).toBe(0)
  await eventually('revoked', () => a.invites.list().some(({ state }) => state === 'revoked'))
})
