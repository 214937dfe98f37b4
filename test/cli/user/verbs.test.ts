import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeEvent } from 'posthorn/protocol'
import { saneDefaults } from 'posthorn/relay'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { EXIT_CODES, type ExitName } from '#dist/cli/exit-codes.js'
import { VERBS, type VerbSpec } from '#dist/cli/verbs/index.js'
import { corrupt, nowSeconds, person } from '../../helpers/events.ts'
import { type RunningRelay, startRelay } from '../../helpers/start-relay.ts'
import { makeTempDir, removeDir } from '../../helpers/temp-dir.ts'
import { scriptedRelay } from '../../sdk/scripted-relay.ts'
import { json, jsonLines, messagesOf, start } from '../posthorn.ts'
import { inPackage, PACKED_BIN, seen, user } from './user.ts'

// Dozens of processes one after the other: a busy machine is no failure.
vi.setConfig({ testTimeout: 120_000 })

// Each verb once as a process, piped; then what can go wrong, in the package's own code.

const DOWN = 'ws://127.0.0.1:9'
const ada = person('ada')
let relay: RunningRelay
/** Serves members alone; nobody here is one. */
let closed: RunningRelay
let folder: string
let env: Record<string, string>
const run = (line: string, input?: string) => user(line.split(' '), { env, ...(input === undefined ? {} : { input }) })
const quick = (line: string, input?: string) =>
  inPackage(line.split(' '), { env, ...(input === undefined ? {} : { input }) })

beforeAll(async () => {
  relay = await startRelay()
  closed = await startRelay({ owners: [ada.pubkey], policy: saneDefaults({ members: true, requireAuth: 'all' }) })
  folder = makeTempDir()
  env = { XDG_DATA_HOME: folder }
})
afterAll(async () => {
  await relay[Symbol.asyncDispose]()
  await closed[Symbol.asyncDispose]()
  removeDir(folder)
})

test('a first day: profiles, mail both ways, receipts, contacts, invites', async () => {
  expect((await run(`init --as ann --relay ${relay.url} --json`)).code).toBe(0)
  expect((await run(`init --as bob --relay ${relay.url}`)).stderr).toContain('its secret key stays in')
  expect((await run('whoami --as bob --json')).code).toBe(0)
  const id = String(json(await run('send bob - --as ann --act request --json', 'is it open?\n'))['id'])
  expect(json(await run('catchup --as bob --json'))).toMatchObject({ running: false, new: 1, complete: true })
  expect(messagesOf(await run('inbox --as bob --unread --json'))).toMatchObject([
    { id, text: 'is it open?', known: true },
  ])
  expect(json(await run('status --as bob --json'))).toMatchObject({ unread: 1, queue: 0 })
  expect((await run(`read ${id.slice(0, 8)} --as bob`)).stdout).toContain('is it open?')
  expect((await run(`mark ${id} done --as bob --json`)).code).toBe(0)
  expect(json(await run(`receipts ${id} --as ann --json`))).toMatchObject({ state: 'done' })
  expect((await run(`contact add ada ${ada.pubkey} --as ann --json`)).code).toBe(0)
  expect((await run('contact list --as ann --json')).code).toBe(0)
  const invite = json(await run('invite create --as ann --json'))
  expect((await quick('invite list --as ann --json')).lines).toHaveLength(1)
  const other = { XDG_DATA_HOME: join(folder, 'elsewhere') }
  await inPackage(['init', '--relay', relay.url], { env: other })
  const accepted = await inPackage(['invite', 'accept', '-', '--json'], { env: other, input: String(invite['invite']) })
  expect(json(accepted)).toMatchObject({ contact: { name: 'ann' }, state: 'stored' })
  expect((await quick('catchup --as ann --json')).code).toBe(0)
  expect((await quick(`invite revoke ${String(invite['id'])} --as ann --json`)).code).toBe(3)
  const second = json(await quick('invite create --as ann --json'))
  expect((await quick(`invite revoke ${String(second['id'])} --as ann --json`)).code).toBe(0)
  for (const verb of ['allow', 'deny', 'remove'])
    expect((await quick(`contact ${verb} ${ada.pubkey} --as ann --json`)).code).toBe(0)
  expect((await run('doctor --as ann --json')).code).toBe(0)
})

test('agents: card, presence, who is there', async () => {
  const set = 'card set --as bob --json --description reviews --skill review=bugs --tag review=code'
  expect(json(await run(set))).toMatchObject({ published: true, card: { skills: [{ id: 'review', tags: ['code'] }] } })
  expect(json(await quick('card set --as bob --json --drop-skill review --name bobby'))).toMatchObject({
    card: { name: 'bobby', description: 'reviews', skills: [] },
  })
  expect((await quick('card set --as bob --drop-skill review')).code).toBe(2)
  expect((await quick('card set --as bob --file -', '{"capabilities":1}')).code).toBe(2)
  expect((await quick('card set --as bob --json --file -', '{"version":"7"}')).code).toBe(0)
  expect((await run('card publish --as bob --json')).code).toBe(0)
  expect(json(await run('card show bob --as ann --json'))).toMatchObject({ card: { name: 'bobby', version: '7' } })
  expect((await quick('card show --as bob --json')).code).toBe(0)
  expect(
    json(await run('presence set --as bob --activity sleeping --energy=-0.5 --wakes-in 600 --json')),
  ).toMatchObject({
    state: 'asleep',
  })
  expect(json(await run('presence show bob --as ann --json'))).toMatchObject({
    state: 'asleep',
    energy: -0.5,
    contact: 'bob',
  })
  expect(json(await run('presence watch bob --as ann --for 0.5 --json'))).toMatchObject({ activity: 'sleeping' })
  expect(jsonLines(await run('agents --as ann --json'))).toMatchObject([
    { card: { name: 'bobby' }, presence: { state: 'asleep' } },
  ])
  expect((await quick('agents --as ann --awake')).code).toBe(3)
  // Without a profile, as a stranger.
  expect(
    (await inPackage(['agents', '--relay', relay.url], { env: { XDG_DATA_HOME: join(folder, 'none') } })).code,
  ).toBe(0)
})

test('state: set, read, from another profile too, taken back', async () => {
  expect((await run('state set mood curious --as bob --json')).code).toBe(0)
  expect(json(await run('state get mood --as bob --json'))).toMatchObject({ key: 'mood', value: 'curious' })
  expect((await quick('state get --as bob --json')).code).toBe(0)
  expect(json(await quick('state get mood --of bob --as ann --json'))).toMatchObject({ value: 'curious' })
  expect((await quick('state watch bob --for 0.3 --as ann --json')).code).toBe(0)
  expect((await run('state del mood --as bob --json')).code).toBe(0)
  expect((await quick('state get mood --as bob --json')).code).toBe(3)
})

test('events and relays: publish, ask, count, sync, the log of a relay and its care', async () => {
  expect((await run(`publish --as ann --kind 1 --tag t=x hello --json`)).code).toBe(0)
  expect((await run(`req {"kinds":[1]} --relay ${relay.url} --json`)).code).toBe(0)
  expect(json(await run(`count {"kinds":[1]} --relay ${relay.url} --json`))).toEqual({ v: 1, count: 1 })
  await using other = await startRelay()
  expect((await run(`sync ${relay.url} ${other.url} {"kinds":[1]} --json`)).code).toBe(0)
  const top = await run(`relay top --relay ${relay.url} --count 2 --every 0.1 --json`)
  expect(jsonLines(top)).toMatchObject([{ agents: { asleep: expect.any(Number) } }, { logRate: expect.any(Number) }])
  expect((await run('relay config --json')).code).toBe(0)
  expect((await quick('relay config --example --json')).code).toBe(0)
  const data = join(folder, 'log')
  const running = start(['relay', '--port', '0', '--data', data, '--json'], { bin: PACKED_BIN, env })
  const url = String(JSON.parse((await running.says('}\n')).split('\n')[0] ?? '')['listening'])
  expect(
    (
      await quick(
        `publish ${encodeEvent(ada.sign({ kind: 1, created_at: nowSeconds(), content: 'undamaged' }))} --relay ${url}`,
      )
    ).code,
  ).toBe(0)
  expect((await run(`relay check --data ${data} --json`)).code).toBe(0)
  const backup = join(folder, 'backup.db')
  expect((await run(`relay backup ${backup} --data ${data} --json`)).code).toBe(0)
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(0)
  seen.set('relay', new Set([0]))
  expect((await run(`relay prune --data ${data} --keep 1d --json`)).code).toBe(0)
  expect((await run(`relay restore ${backup} --data ${join(folder, 'restored')} --json`)).code).toBe(0)
  const nothing = join(folder, 'nothing')
  for (const line of ['check', 'prune --keep 1d', `backup ${join(folder, 'none.db')}`])
    expect((await quick(`relay ${line} --data ${nothing} --json`)).code, line).toBe(3)
  expect((await quick(`relay restore ${join(folder, 'nowhere.db')} --data ${nothing} --json`)).code).toBe(3)
  const damaged = readFileSync(backup)
  for (let at = damaged.indexOf('undamaged'); at >= 0; at = damaged.indexOf('undamaged')) damaged.write('is', at)
  writeFileSync(join(folder, 'damaged.db'), damaged)
  for (const line of [`check ${join(folder, 'damaged.db')}`, `restore ${join(folder, 'damaged.db')}`])
    expect((await quick(`relay ${line} --data ${nothing} --json`)).code, line).toBe(6)
  expect((await quick(`relay --port ${new URL(relay.url).port} --data ${nothing} --json`)).code).toBe(1)
})

test('watch: exit codes become receipts; what is no contact’s waits', async () => {
  const sent = async (text: string) => String(json(await quick(`send bob ${text} --as ann --act request --json`))['id'])
  const state = async (id: string) => json(await quick(`receipts ${id} --as ann --json`))['state']
  const [yes, no, never] = [await sent('yes'), await sent('no'), await sent('never')]
  const exec = 'read word; case "$word" in yes) echo "done: $word" ;; no) echo busy; exit 77 ;; *) exit 9 ;; esac'
  const line = ['watch', '--as', 'bob', '--once', '--attempts', '1', '--json', '--exec', exec]
  const watched = await user(line, { env })
  expect(watched.code).toBe(1)
  expect(jsonLines(watched).map(({ id, outcome }) => [id, outcome])).toEqual([
    [yes, 'done'],
    [no, 'rejected'],
    [never, 'failed'],
  ])
  expect([await state(yes), await state(no), await state(never)]).toEqual(['done', 'rejected', 'failed'])
  const answers = messagesOf(await quick('inbox --as ann --from bob --unread --json')).map(({ act, text }) => [
    act,
    text,
  ])
  expect(answers).toEqual([
    ['answer', 'done: yes'],
    ['refuse', 'busy'],
    ['failure', 'its command exited with 9'],
  ])
  const left = await sent('left')
  const unusable = ['watch', '--as', 'bob', '--once', '--json', '--exec', '/nonexistent/command']
  expect((await user(unusable, { env })).code).toBe(1)
  expect(messagesOf(await quick('inbox --as bob --offline --json')).find(({ id }) => id === left)).toMatchObject({
    state: 'new',
    read: false,
    attempts: 0,
  })
  expect((await inPackage(['watch', '--as', 'bob', '--once', '--json', '--exec', 'cat'], { env })).code).toBe(0)
  expect((await inPackage(['watch', '--as', 'bob', '--once', '--json', '--exec', 'cat'], { env })).code).toBe(3)
})

test('beside a running agent: verbs read its home and hand it what to do; Ctrl-C ends it with 130', async () => {
  const agent = start(['watch', '--as', 'bob', '--exec', 'cat', '--json'], { bin: PACKED_BIN, env })
  await agent.says('watching as bob')
  expect(json(await run('status --as bob --json'))).toMatchObject({ running: true })
  expect(json(await quick('catchup --as bob --json'))).toMatchObject({ running: true })
  expect(json(await quick('presence set --as bob --activity here --json'))).toMatchObject({ running: true })
  expect(json(await quick('card set --as bob --description busy --json'))).toMatchObject({ published: null })
  expect((await quick('doctor --as bob --json')).code).toBe(0)
  expect((await inPackage(['watch', '--as', 'bob', '--exec', 'cat'], { env })).code).toBe(1)
  const sent = await run('send bob hello --as ann --act request --wait 15 --json')
  expect(json(sent)).toMatchObject({ reply: { text: 'hello' } })
  const handed = await quick('send ann back --as bob --timeout 10 --json')
  expect(handed.code).toBe(0)
  const [last] = messagesOf(await quick('inbox --as bob --limit 1 --json'))
  expect(json(await quick(`mark ${String(last?.['id'])} done --as bob --json`))).toMatchObject({ queued: true })
  await expect.poll(async () => json(await quick('presence show bob --as ann --json'))['activity']).toBe('here')
  expect(json(await quick('presence show bob --as ann --json'))['state']).toBe('online')
  await expect
    .poll(async () => json(await quick('card show bob --as ann --json')))
    .toMatchObject({ card: { description: 'busy' } })
  expect((await quick('agents --awake --as ann --json')).code).toBe(0)
  agent.child.kill('SIGINT')
  const ended = await agent.ended
  expect(ended.code).toBe(130)
  expect(json(await quick('presence show bob --as ann --json'))['state']).toBe('offline')
})

test('nothing there: 3', async () => {
  const npub = json(await quick('whoami --as ann --json'))['npub']
  await inPackage(['init', '--relay', relay.url], { env: { XDG_DATA_HOME: join(folder, 'lonely') } })
  const lonely = (line: string) =>
    inPackage(`${line} --json`.split(' '), { env: { XDG_DATA_HOME: join(folder, 'lonely') } })
  for (const line of [
    'inbox',
    'read 12345678',
    'mark 12345678 done',
    'receipts 12345678',
    'contact list',
    'contact remove nobody',
    'contact allow nobody',
    'contact deny nobody',
    'contact add x nobody',
    'invite list',
    'invite revoke 12345678',
    'send nobody hello',
    'agents --skill none',
    'card show',
    `presence show ${ada.pubkey}`,
    'presence watch',
    'req {"kinds":[9999]}',
    'publish -',
  ])
    expect((await lonely(line)).code, line).toBe(3)
  expect(npub).toMatch(/^npub1/)
  for (const verb of [
    'whoami',
    'status',
    'doctor',
    'catchup',
    'card set --name x',
    'card publish',
    'presence set --mood x',
  ])
    expect((await quick(`${verb} --as none --json`)).code, verb).toBe(3)
})

test('key passphrase: another one, a wrong one, none any more', async () => {
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const [old, next] = [file('old', 'correct horse\n'), file('next', 'battery staple\n')]
  expect((await quick(`init --as locked --relay ${relay.url} --encrypt --passphrase-file ${old}`)).code).toBe(0)
  const change = `key passphrase --as locked --passphrase-file`
  expect(json(await quick(`${change} ${old} --new-passphrase-file ${next} --json`))).toMatchObject({ encrypted: true })
  const refused = await quick(`${change} ${old} --new-passphrase-file ${next} --json`)
  expect(refused.code).toBe(4)
  expect(refused.stderr).not.toContain('correct horse')
  expect((await quick(`card publish --as locked --passphrase-file ${next}`)).code).toBe(0)
  expect(json(await run(`${change} ${next} --remove --json`))).toMatchObject({ encrypted: false })
  expect((await quick('card publish --as locked')).code).toBe(0)
  expect((await quick(`key passphrase --as none --passphrase-file ${old} --new-passphrase-file ${next}`)).code).toBe(3)
})

test('a relay that is down: 5, in time, and mail is kept', async () => {
  await quick(`init --as far --relay ${DOWN}`)
  // Whose relays nobody knows: what this machine knows of bob's would be used.
  expect(json(await run(`send ${'ab'.repeat(32)} later --as far --json`))).toMatchObject({ queued: true })
  // Bob's receipt for it has nowhere else to go.
  const mail = json(await quick('send bob fromfar --as far --json'))
  await quick('catchup --as bob')
  for (const line of [
    'status',
    'catchup',
    'inbox',
    'doctor',
    'agents',
    'card publish',
    'card set --name x',
    'presence set --mood x',
    `presence show ${ada.pubkey}`,
    `presence watch ${ada.pubkey}`,
    `card show ${ada.pubkey}`,
    'req {}',
    'count {}',
    'publish --kind 1 x',
    'watch --once --exec cat',
    'relay top',
    'invite create --relay-invite',
  ])
    expect((await quick(`${line} --as far --json`)).code, line).toBe(5)
  expect((await quick(`sync ${DOWN} ${relay.url} --json`)).code).toBe(5)
  expect((await quick(`mark ${String(mail?.['id'])} done --as bob --relay ${DOWN} --json`)).code).toBe(5)
  await quick(`init --as farther --relay ${DOWN}`)
  const invite = String(json(await quick('invite create --as farther --json'))['invite'])
  expect((await quick(`invite accept ${invite} --as far --json`)).code).toBe(5)
})

test('a relay that refuses the key: 4, why, and what to do', async () => {
  await quick(`init --as out --relay ${closed.url}`)
  for (const line of [
    'status',
    'catchup',
    'inbox',
    'doctor',
    'agents',
    `send ${'ab'.repeat(32)} hello`,
    'card publish',
    'card set --name x',
    'presence set --mood x',
    'req {"kinds":[1]}',
    'count {"kinds":[1]}',
    'publish --kind 1 x',
    'watch --once --exec cat',
    'invite create --relay-invite',
  ]) {
    const { code, stderr } = await quick(`${line} --as out --json`)
    expect(code, `${line}: ${stderr}`).toBe(4)
  }
  expect((await quick(`sync ${closed.url} ${relay.url} {"kinds":[1]} --json`)).code).toBe(4)
})

test('a relay that is slow: bounded by --timeout, 5', async () => {
  const mute = await scriptedRelay(() => {})
  await quick(`init --as slow --relay ${mute.url}`)
  for (const line of ['doctor', 'req {}', 'count {}', 'inbox'])
    expect((await quick(`${line} --as slow --timeout 0.3 --json`)).code, line).toBe(5)
  // It was reached; that it has told nothing yet is what status says.
  expect(json(await quick('status --as slow --timeout 0.3 --json'))).toMatchObject({
    relays: [{ state: 'catching-up' }],
  })
  expect((await quick('catchup --as slow --max-ms 300 --json')).code).toBe(5)
  expect((await quick('agents --as slow --timeout 0.3 --json')).code).toBe(3)
})

test('a relay that forges: 6, and nothing of it is printed', async () => {
  const forged = corrupt(ada.sign({ kind: 1, created_at: nowSeconds(), content: 'forged' }), 'sig')
  const forger = await scriptedRelay((peer, [type, sub]) => {
    if (type !== 'REQ') return
    peer.event(sub, forged)
    peer.send('EOSE', sub, ['finish'])
  })
  const asked = await quick(`req {"kinds":[1]} --relay ${forger.url} --json`)
  expect(asked.code).toBe(6)
  expect(asked.stdout).not.toContain('forged')
  expect((await quick(`publish ${encodeEvent(forged)} --relay ${relay.url} --json`)).code).toBe(6)
})

test('a relay that was put back to an older log: told, offered again, and mail goes on', async () => {
  await using rewinding = await startRelay()
  await quick(`init --as old --relay ${rewinding.url}`)
  await quick(`init --as new --relay ${rewinding.url}`)
  await quick('send old one --as new')
  const backup = join(folder, 'rewind.db')
  expect((await quick(`relay backup ${backup} --data ${rewinding.data}`)).code).toBe(0)
  await quick('send old two --as new')
  expect(json(await quick('catchup --as old --json'))).toMatchObject({ new: 2 })
  await rewinding.relay.close()
  expect((await quick(`relay restore ${backup} --data ${rewinding.data} --force --json`)).code).toBe(0)
  await rewinding.restart()
  expect((await quick('doctor --as old --json')).stdout).toContain('its log went back')
  expect((await quick('catchup --as old --json')).code).toBe(0)
  expect(json(await quick('send old three --as new --json'))).toMatchObject({ queued: false })
  expect(json(await quick('catchup --as old --json'))).toMatchObject({ new: 1 })
})

test('help of every verb, and wrong usage: 2, piped', async () => {
  for (const verb of Object.keys(VERBS)) {
    const help = await quick(`${verb} --help`)
    expect(help.code, verb).toBe(0)
    expect(help.stdout).toContain(`posthorn ${verb}`)
    expect((await quick(`${verb} --nonsense`)).code, verb).toBe(2)
    expect((await quick(`help ${verb} --json`)).code, verb).toBe(0)
  }
  expect((await run('demo --nonsense')).code).toBe(2)
  expect((await run('completion bash --json')).code).toBe(0)
})

/** Seen elsewhere, or by nobody but an operator: each with where. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'demo 0': 'test/cli/demo.test.ts',
  'relay prune 6': 'test/cli/relay-tools.test.ts',
  'relay backup 6': 'test/cli/relay-tools.test.ts',
  'doctor 6': 'a forging relay: test/cli/doctor.test.ts',
  'catchup 6': 'test/cli/mail.test.ts',
  'status 1': 'a full disk: test/cli/unwritable.test.ts',
  'status 6': 'damaged files: test/cli/health.test.ts',
  'mark 4': 'test/cli/auth.test.ts',
  'invite accept 1': 'test/cli/invite.test.ts',
  'invite accept 4': 'test/cli/invite.test.ts',
  'contact add 5': 'test/cli/names.test.ts',
  'card show 4': 'as agents 4: one look for all',
  'presence show 4': 'as agents 4',
  'presence watch 4': 'as agents 4',
  'relay top 1': 'test/cli/user/terminal.test.ts',
  'publish 1': 'test/cli/events.test.ts',
  'sync 1': 'test/cli/sync.test.ts',
  'sync 6': 'test/cli/sync.test.ts',
}

/** test/mcp, test/cli/install.test.ts, test/cli/state.test.ts and test/cli/user/documents.test.ts have these. */
const OF_OTHERS = /^(?:mcp|wake|install|state \w+|doc \w+) /

test('every exit code that the table names was seen', () => {
  const missing = Object.entries<VerbSpec>(VERBS).flatMap(([verb, { exits = {} }]) => {
    const codes = [0, ...(Object.keys(exits) as ExitName[]).map(name => EXIT_CODES[name].code)]
    return codes.filter(code => !seen.get(verb)?.has(code)).map(code => `${verb} ${code}`)
  })
  expect(missing.filter(each => !(each in ELSEWHERE) && !OF_OTHERS.test(each))).toEqual([])
})
