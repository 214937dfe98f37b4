import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { mistyped } from '../helpers/mistyped.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { makeTempDir, removeDir, tempDir } from '../helpers/temp-dir.ts'
import { inProcess, json, jsonLines, messagesOf, type Outcome, start } from './posthorn.ts'

/** Nothing listens on the discard port. */
const NOWHERE = 'ws://127.0.0.1:9'

let relay: RunningRelay
let folder: string
const home = (name: string) => join(folder, 'posthorn', name)
const run = (line: string, input?: string): Promise<Outcome> =>
  inProcess(line.split(' '), { env: { XDG_DATA_HOME: folder }, ...(input === undefined ? {} : { input }) })

beforeAll(async () => {
  relay = await startRelay()
  folder = makeTempDir()
  for (const name of ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'])
    await run(`init --as ${name} --relay ${relay.url}`)
})
afterAll(async () => {
  await relay[Symbol.asyncDispose]()
  removeDir(folder)
})

describe('profiles', () => {
  test('init makes a home closed to others, once; whoami tells the public part', async () => {
    const env = { XDG_DATA_HOME: tempDir() }
    const first = await inProcess(['init', '--json'], { env })
    const again = await inProcess(['init', '--json'], { env })
    const who = json(await inProcess(['whoami', '--json'], { env }))
    expect(first.code).toBe(0)
    expect(json(first)).toMatchObject({ v: 1, created: true, name: 'default', relays: ['ws://localhost:7678'] })
    expect(json(again)).toEqual({ ...json(first), created: false })
    expect(who).toEqual({
      v: 1,
      name: 'default',
      npub: expect.stringMatching(/^npub1[a-z0-9]{58}$/),
      nprofile: expect.stringMatching(/^nprofile1[a-z0-9]+$/),
      pubkey: expect.stringMatching(/^[0-9a-f]{64}$/),
      relays: ['ws://localhost:7678'],
      home: join(env.XDG_DATA_HOME, 'posthorn', 'default'),
    })
    const key = join(String(who['home']), 'key')
    expect(statSync(key).mode & 0o777).toBe(0o600)
    const secret = readFileSync(key, 'utf8').trim()
    for (const { stdout, stderr } of [first, again]) expect(stdout + stderr).not.toContain(secret)
  })

  test('init --relay changes the relay and keeps the key; --home and POSTHORN_HOME choose the folder', async () => {
    const chosen = join(tempDir(), 'elsewhere')
    const before = json(await inProcess(['init', '--home', chosen, '--json']))
    const after = json(
      await inProcess(['init', '--relay', 'wss://relay.example', '--json'], { env: { POSTHORN_HOME: chosen } }),
    )
    expect(after).toEqual({ ...before, created: false, relays: ['wss://relay.example'], nprofile: expect.any(String) })
    expect(after['nprofile']).not.toBe(before['nprofile'])
  })

  test.each(['whoami', 'status', 'send bob hi', 'inbox', 'read 0123456789', 'catchup', 'publish --kind 1 x'])(
    '%s without a profile: exit 3, and how to make one',
    async line => {
      const outcome = await run(`${line} --as nobody`)
      expect(outcome).toMatchObject({ code: 3, stdout: '' })
      expect(outcome.stderr).toContain('posthorn init')
      expect(existsSync(home('nobody'))).toBe(false)
    },
  )

  test('a key that others can read is refused: exit 1, and what to do', async () => {
    const open = join(tempDir(), 'open')
    await inProcess(['init', '--home', open])
    chmodSync(join(open, 'key'), 0o644)
    const outcome = await inProcess(['send', 'x', 'hi', '--home', open])
    expect(outcome).toMatchObject({ code: 1, stdout: '' })
    expect(outcome.stderr).toContain('chmod 600')
  })
})

describe('mail', () => {
  test('send, inbox, read: listed but never consumed, read marks', async () => {
    const sent = await run('send bob hello --as alice')
    expect(sent.code).toBe(0)
    expect(sent.stdout).toMatch(/^[0-9a-f]{64}\n$/)
    expect(sent.stderr).toContain('waits there for bob')
    const id = sent.stdout.trim()

    const listed = await run('inbox --as bob --json')
    expect(listed.code).toBe(0)
    const [entry] = jsonLines(listed)
    expect(entry).toMatchObject({
      v: 1,
      id,
      fromName: 'alice',
      text: 'hello',
      act: 'inform',
      private: true,
      known: true,
      read: false,
      state: 'new',
    })
    expect(entry).toMatchObject({
      relay: relay.url,
      seq: expect.any(Number),
      at: expect.any(Number),
      npub: expect.stringMatching(/^npub1/),
    })

    const again = await run('inbox --as bob --unread')
    expect(again.lines).toHaveLength(1)
    expect(again.stdout).toMatch(new RegExp(`^● {2}${id.slice(0, 8)} {2}alice +just now +inform +hello$`, 'm'))

    const read = await run(`read ${id.slice(0, 8)} --as bob`)
    expect(read.code).toBe(0)
    expect(read.stdout).toMatch(/^from +alice \(npub1/)
    expect(read.stdout).toContain('\n\nhello\n')
    expect(await run('inbox --as bob --unread --offline')).toMatchObject({ code: 3, stdout: '' })
    expect((await run('inbox --as bob --offline')).lines).toHaveLength(1)
    expect(json(await run(`read ${id} --as bob --json`))).toMatchObject({ v: 1, id, text: 'hello' })
    expect(await run('read ffffffffffff --as bob')).toMatchObject({ code: 3, stdout: '' })
  })

  test('text from stdin; control characters are shown to people and exact in JSON', async () => {
    const text = 'two\nlines \u001b]0;title\u0007 \u009b31m'
    const sent = await run('send carol - --as alice --json --act request', `${text}\n`)
    expect(json(sent)).toEqual({
      v: 1,
      queued: false,
      id: expect.stringMatching(/^[0-9a-f]{64}$/),
      state: 'stored',
      relay: relay.url,
      seq: expect.any(Number),
      route: 'local-profile',
    })
    const [list, page, exact] = [
      await run('inbox --as carol'),
      await run(`read ${json(sent)['id']} --as carol`),
      await run(`read ${json(sent)['id']} --as carol --json`),
    ]
    expect(list.stdout).toContain('two lines \\x1b]0;title\\x07 \\x9b31m')
    expect(page.stdout).toContain('two\nlines \\x1b]0;title\\x07 \\x9b31m\n')
    expect(json(exact)).toMatchObject({ text, act: 'request' })
    const controls = (text: string) => [...text].filter(character => character !== '\n' && /\p{Cc}/u.test(character))
    for (const { stdout } of [list, page, exact]) expect(controls(stdout)).toEqual([])
  })

  test('nothing to send: exit 2; nobody of that name: exit 3', async () => {
    expect(await run('send bob - --as alice', '\n')).toMatchObject({ code: 2, stdout: '' })
    const unknown = await run('send zoe hi --as alice')
    expect(unknown).toMatchObject({ code: 3, stdout: '' })
    expect(unknown.stderr).toContain('alice, bob')
  })

  test('a stranger is listed and named as one; --from narrows', async () => {
    const env = { XDG_DATA_HOME: tempDir() }
    await inProcess(['init', '--relay', relay.url], { env })
    const { npub } = json(await run('whoami --as dave --json'))
    await inProcess(['send', String(npub), 'psst', '--public'], { env })
    await run('send dave hi --as alice')
    const all = messagesOf(await run('inbox --as dave --json'))
    expect(all.map(entry => [entry['text'], entry['known'], entry['private']])).toEqual([
      ['psst', false, false],
      ['hi', true, true],
    ])
    expect((await run('inbox --as dave --offline')).lines[0]).toContain('(unknown)')
    expect((await run('inbox --as dave --offline --from alice')).lines).toHaveLength(1)
    expect((await run('inbox --as dave --offline --limit 1')).stdout).toContain('alice')
    expect(json(await run('status --as dave --json'))).toEqual({
      v: 1,
      name: 'dave',
      running: false,
      relays: [expect.objectContaining({ url: relay.url, state: 'live', mayMiss: false })],
      queue: 0,
      unread: 2,
      unknownSenders: 1,
      deadLetters: 0,
      undelivered: 0,
      failed: 0,
      records: [],
      synced: true,
      published: true,
      // Somebody unknown has written.
      allWell: false,
      problems: [expect.objectContaining({ code: 'senders-unknown', level: 'warn' })],
      wake: { state: 'none' },
    })
  })

  test('mark tells the sender, receipts shows it: states with times, each relay; unknown ids exit 3', async () => {
    await run(`init --as gina --relay ${relay.url}`)
    const id = (await run('send gina fix-it --as alice --act request')).stdout.trim()
    const fresh = json(await run(`receipts ${id.slice(0, 8)} --as alice --json`))
    expect(fresh).toMatchObject({ v: 1, id, toName: 'gina', state: 'stored', receipts: [] })
    expect(fresh['relays']).toEqual([{ relay: relay.url, state: 'stored', seq: expect.any(Number) }])
    await run('inbox --as gina')
    const working = await run(`mark ${id.slice(0, 8)} working --as gina --json`)
    expect(working).toMatchObject({ code: 0 })
    expect(json(working)).toMatchObject({ id, marked: 'working', receipt: expect.any(String), queued: false })
    expect(await run(`mark ${id} rejected not before Monday --as gina`)).toMatchObject({ code: 0 })
    expect((await run('inbox --as gina --offline')).stdout).toContain('[done] fix-it')
    const after = await run(`receipts ${id} --as alice`)
    expect(after.code).toBe(0)
    expect(after.stdout).toMatch(/^state +rejected: not before Monday$/m)
    expect(after.stdout).toMatch(
      /^receipt +received +just now\nreceipt +working .*\nreceipt +rejected +.*not before Monday$/m,
    )
    expect(json(await run(`receipts ${id} --as alice --offline --json`))).toMatchObject({ state: 'rejected' })

    await run('send gina broken --as alice')
    const [broken] = messagesOf(await run('inbox --as gina --json --limit 1'))
    await run(`mark ${broken?.['id']} failed --as gina`)
    expect(json(await run('status --as gina --json'))).toMatchObject({ deadLetters: 1 })
    expect((await run('status --as gina --offline')).stdout).toContain('1 received message in the dead letters')
    for (const line of ['receipts ffffffffffff --as alice', 'mark ffffffffffff done --as gina'])
      expect(await run(line)).toMatchObject({ code: 3, stdout: '' })
    for (const line of [`mark ${id} fixed --as gina`, `mark ${id} received --as gina`, 'receipts 3f --as alice'])
      expect(await run(line)).toMatchObject({ code: 2, stdout: '' })
  })

  test('catchup: one shot, a summary with what it cost', async () => {
    await run('send erin one --as alice --deadline 60')
    await run('send erin two --as alice')
    const first = await run('catchup --as erin --json')
    expect(first.code).toBe(0)
    expect(json(first)).toMatchObject({
      v: 1,
      running: false,
      relays: [expect.objectContaining({ relay: relay.url, status: 'live' })],
      unreached: 0,
      status: 'live',
      complete: true,
      received: 2,
      new: 2,
      invalid: 0,
      gaps: 0,
      mayMiss: false,
      unread: 2,
      queue: 0,
    })
    expect(json(first)).toMatchObject({ bytes: expect.any(Number), ms: expect.any(Number) })
    const [one, two] = messagesOf(await run('inbox --as erin --offline --json'))
    expect(Number(one?.['deadline']) - Number(one?.['at'])).toBe(60)
    expect(two).not.toHaveProperty('deadline')
    expect((await run('catchup --as erin')).stdout).toMatch(/^caught up: 0 new \(0 events, /)
  })

  test('send --wait prints the reply; without one in time exit 5', async () => {
    const frank = await openAgent({ home: home('frank'), create: false })
    onTestFinished(async () => void (await frank.close()))
    frank.handle('query', ({ text }) => `you said ${text}\u0007`)
    const [plain, asJson, none] = await Promise.all([
      run('send frank ping --as alice --act query --wait 10'),
      run('send frank pong --as bob --act query --wait 10 --json'),
      run('send dave ping --as carol --wait 0.2 --json'),
    ])
    expect(plain).toMatchObject({ code: 0, stdout: 'you said ping\\x07\n' })
    expect(json(asJson)).toMatchObject({
      v: 1,
      queued: false,
      // The answer and the receipts come side by side.
      state: expect.stringMatching(/^(stored|received|done)$/),
      reply: { fromName: 'frank', text: 'you said pong\u0007', replyTo: json(asJson)['id'] },
    })
    expect(none.code).toBe(5)
    expect(json(none)).toMatchObject({ queued: false, state: 'stored', reply: null })
  })

  test('inbox --wait sleeps until mail arrives; --follow prints what comes until interrupted', async () => {
    const env = { XDG_DATA_HOME: folder }
    await run(`init --as gina --relay ${relay.url}`)
    const waiting = start(['inbox', '--as', 'gina', '--wait', '20', '--json'], { env })
    await run('send gina wake --as alice')
    const woken = await waiting.ended
    expect(woken.code).toBe(0)
    expect(messagesOf(woken)).toEqual([expect.objectContaining({ text: 'wake', read: false })])

    const following = start(['inbox', '--as', 'gina', '--follow', '--unread'], { env })
    await following.says('waiting for more')
    await run('send gina more --as alice')
    await following.says('more\n')
    following.child.kill('SIGINT')
    const followed = await following.ended
    expect(followed.code).toBe(130)
    expect(followed.lines).toHaveLength(2)
  })
})

test('several relays: one of them away is told, and stops nothing', async () => {
  const env = { XDG_DATA_HOME: tempDir() }
  const verb = (line: string) => inProcess(line.split(' '), { env })
  const both = [relay.url, NOWHERE]
  expect(json(await verb(`init --relay ${both.join(',')} --json`))).toMatchObject({ relays: both })
  expect(json(await verb(`init --relay ${relay.url} --relay ${NOWHERE} --json`))).toMatchObject({ relays: both })
  expect((await verb('whoami')).stdout).toContain(`relay  ${NOWHERE}`)
  const sent = await verb('send default hello --json')
  expect([sent.code, json(sent)['state'], json(sent)['relay']]).toEqual([0, 'stored', relay.url])
  const caught = await verb('catchup')
  expect(caught.code).toBe(0)
  expect(caught.stdout).toMatch(/^caught up with 1 of 2 relays: /)
  expect(caught.stdout).toContain(`${NOWHERE} was not reached`)
  expect(json(await verb('catchup --json'))).toMatchObject({
    complete: true,
    unreached: 1,
    new: 0,
    synced: false,
    allWell: false,
    problems: [{ code: 'relay-unreachable', about: NOWHERE, reason: expect.stringContaining('ECONNREFUSED') }],
  })
  const status = await verb('status')
  expect(status.code).toBe(0)
  expect(status.stdout).toContain(`${relay.url}  live, caught up`)
  expect(status.stdout).toContain(`${NOWHERE}  offline`)
  expect(json(await verb(`status --relay ${NOWHERE} --json`))).toMatchObject({ relays: [{ url: NOWHERE }] })
  expect((await verb('init --relay ,')).code).toBe(2)
})

describe('the relay is down', () => {
  test('send queues: exit 5 and the id; the next verb that reaches a relay takes it along', async () => {
    await run(`init --as hugo --relay ${NOWHERE}`)
    await run(`init --as igor --relay ${NOWHERE}`)
    const queued = await run('send igor later --as hugo --json')
    expect(queued.code).toBe(5)
    expect(json(queued)).toEqual({
      v: 1,
      queued: true,
      id: expect.stringMatching(/^[0-9a-f]{64}$/),
      state: 'queued',
      waiting: [{ relay: NOWHERE, reason: 'nothing listens there (ECONNREFUSED)' }],
    })
    expect((await run('send igor again --as hugo')).stderr).toContain(
      `${NOWHERE} does not have it: nothing listens there (ECONNREFUSED)`,
    )
    expect(await run('status --as hugo --json')).toMatchObject({ code: 5 })
    expect(json(await run('status --as hugo --offline --json'))).toMatchObject({
      queue: 2,
      relays: [{ url: NOWHERE, state: 'not-asked' }],
    })
    await run(`init --as hugo --relay ${relay.url}`)
    expect(json(await run('catchup --as hugo --json'))).toMatchObject({ complete: true })
    // Hugo's relay has it by now; the only one that igor reads has not.
    expect(json(await run('status --as hugo --json'))).toMatchObject({ queue: 2, published: false, allWell: false })
    await run(`init --as igor --relay ${relay.url}`)
    expect(json(await run('catchup --as hugo --json'))).toMatchObject({ complete: true })
    expect(json(await run('status --as hugo --json'))).toMatchObject({ queue: 0, published: true })
    const arrived = messagesOf(await run('inbox --as igor --json --from hugo'))
    expect(arrived[0]?.['id']).toEqual(json(queued)['id'])
  })

  test('inbox lists what is here, and says it was not reached; empty: exit 5', async () => {
    await run('send ivan here --as alice')
    await run(`init --as ivan --relay ${relay.url}`)
    await run('send ivan here --as alice')
    await run('catchup --as ivan')
    const listed = await run(`inbox --as ivan --relay ${NOWHERE} --timeout 1`)
    expect(listed).toMatchObject({ code: 0, lines: [expect.stringContaining('here')] })
    expect(listed.stderr).toContain('not caught up')
    expect(await run(`inbox --as hugo --relay ${NOWHERE} --timeout 1`)).toMatchObject({ code: 5, stdout: '' })
    const catchup = await run(`catchup --as ivan --relay ${NOWHERE} --max-ms 500 --json`)
    expect(catchup.code).toBe(5)
    expect(json(catchup)).toMatchObject({ complete: false, status: 'offline' })
  })
})

describe('beside a running agent on the same home', () => {
  test('verbs read the home and hand their writes over', async () => {
    await run(`init --as judy --relay ${relay.url}`)
    await run('send judy before --as alice')
    const judy = await openAgent({ home: home('judy'), create: false })
    onTestFinished(async () => void (await judy.close()))
    await judy.sync()
    const [inbox, status, catchup, sent] = await Promise.all([
      run('inbox --as judy --json'),
      run('status --as judy --json'),
      run('catchup --as judy --json'),
      run('send alice through --as judy --json'),
    ])
    const [entry] = jsonLines(inbox)
    expect(entry).toMatchObject({ text: 'before', read: false })
    expect(json(status)).toMatchObject({ running: true, unread: 1 })
    expect(json(catchup)).toMatchObject({
      running: true,
      unread: 1,
      queue: expect.any(Number),
      synced: null,
      allWell: false,
    })
    expect(sent.code).toBe(0)
    expect(json(sent)).toMatchObject({ queued: false, state: 'stored' })
    expect(judy.delivery(String(json(sent)['id']))).toMatchObject({ state: 'stored' })
    expect((await run(`read ${entry?.['id']} --as judy`)).stdout).toContain('before')
    await expect.poll(() => judy.inbox({ unread: true })).toEqual([])
    const marked = await run(`mark ${entry?.['id']} done --as judy --json`)
    expect(json(marked)).toMatchObject({ id: entry?.['id'], marked: 'done', receipt: null, queued: true })
    await expect.poll(() => judy.inbox()[0]?.state).toBe('done')
    await expect.poll(async () => json(await run(`receipts ${entry?.['id']} --as alice --json`))['state']).toBe('done')
  })

  test('two verbs at once on one home do not fail each other', async () => {
    await run(`init --as kim --relay ${relay.url}`)
    const outcomes = await Promise.all([1, 2, 3].map(n => run(`send bob at-once-${n} --as kim --timeout 20 --json`)))
    expect(outcomes).toEqual([1, 2, 3].map(() => expect.objectContaining({ code: 0 })))
    const arrived = messagesOf(await run('inbox --as bob --from kim --json')).map(entry => entry['text'])
    expect(arrived.sort()).toEqual(['at-once-1', 'at-once-2', 'at-once-3'])
  })

  test('a verb that waits takes over when the agent ends', async () => {
    await run(`init --as lou --relay ${relay.url}`)
    const lou = await openAgent({ home: home('lou'), create: false })
    const waiting = start(['inbox', '--as', 'lou', '--follow'], { env: { XDG_DATA_HOME: folder } })
    await waiting.says('waiting for more')
    await lou.close()
    await run('send lou after --as alice')
    await waiting.says('after\n')
  })
})

test('secrets: a secret key is no recipient and is not repeated', async () => {
  const secret = `nsec1${'q'.repeat(58)}`
  const outcome = await run(`send ${secret} hi --as alice`)
  expect(outcome.code).toBe(3)
  expect(outcome.stderr).not.toContain(secret)
})

test('send --ephemeral: nobody listens, somebody does, and through a running agent', async () => {
  expect(await run('send bob --as alice --ephemeral --wait 1 psst')).toMatchObject({ code: 2 })
  const unheard = await run('send bob --as alice --ephemeral --json psst')
  expect([unheard.code, json(unheard)['state']]).toEqual([3, 'unheard'])
  const heard: string[] = []
  const bob = await openAgent({ home: home('bob'), presence: false })
  onTestFinished(async () => void (await bob.close()))
  bob.on('ephemeral', ({ text }) => void heard.push(text))
  await bob.sync()
  const sent = await run('send bob --as alice --ephemeral --json now')
  expect([sent.code, json(sent)['state']]).toEqual([0, 'sent'])
  const alice = await openAgent({ home: home('alice'), presence: false })
  onTestFinished(async () => void (await alice.close()))
  await alice.sync()
  const handed = await run('send bob --as alice --ephemeral --json beside')
  expect([handed.code, json(handed)]).toMatchObject([0, { state: 'sent', relay: relay.url }])
  await expect.poll(() => heard, { timeout: 10_000 }).toEqual(['now', 'beside'])
  expect(bob.inbox().filter(({ text }) => heard.includes(text))).toEqual([])
  await bob.close()
  const alone = await run('send bob --as alice --ephemeral --json nobody')
  expect([alone.code, json(alone)['state']]).toEqual([3, 'unheard'])
  expect(readdirSync(join(home('alice'), 'spool'))).toEqual([])
})

test('mark says where the receipt is left if no relay of the sender is known', async () => {
  const other = await startRelay()
  onTestFinished(() => other[Symbol.asyncDispose]())
  const far = { env: { XDG_DATA_HOME: tempDir() } }
  await inProcess(['init', '--as', 'fay', '--relay', other.url], far)
  await run(`init --as zed --relay ${relay.url}`)
  const { nprofile } = json(await run('whoami --as zed --json'))
  expect((await inProcess(['send', String(nprofile), 'from afar', '--as', 'fay'], far)).code).toBe(0)
  const [mail] = messagesOf(await run('inbox --as zed --json'))
  const marked = await run(`mark ${mail?.['id']} done --as zed`)
  expect(marked.code).toBe(0)
  expect(marked.stderr).toContain(`the receipt is left at ${relay.url}`)
  expect(marked.stderr).not.toContain('gets it when it wakes')
})

test('send says where mail waits: at a relay that the recipient reads, or at one of yours because none is known', async () => {
  const other = await startRelay()
  onTestFinished(() => other[Symbol.asyncDispose]())
  await run(`init --as eve --relay ${other.url}`)
  const sent = await run('send eve hello --as alice --json')
  expect([sent.code, json(sent)]).toMatchObject([0, { state: 'stored', relay: other.url, route: 'local-profile' }])
  expect(messagesOf(await run('inbox --as eve --json'))).toMatchObject([{ text: 'hello' }])

  // On another machine.
  const far = { env: { XDG_DATA_HOME: tempDir() } }
  const eva = json(await inProcess(['init', '--as', 'eva', '--relay', other.url, '--json'], far))
  const left = await run(`send ${eva['npub']} hello --as alice`)
  expect(left.code).toBe(0)
  expect(left.stderr).toContain(`left at ${relay.url}`)
  expect(left.stderr).toContain(`no relay of ${eva['npub']} is known`)
  expect(left.stderr).not.toContain('waits there for')
  const id = left.stdout.trim()
  expect(json(await run(`receipts ${id} --as alice --json`))).toMatchObject({ state: 'stored', route: 'own-relays' })
  // Her nprofile takes along what was left.
  expect((await run(`contact add eva ${eva['nprofile']} --as alice`)).code).toBe(0)
  const next = await run('send eva there --as alice --json')
  expect(json(next)).toMatchObject({ relay: other.url, route: 'hint' })
  await expect
    .poll(async () => messagesOf(await inProcess(['inbox', '--as', 'eva', '--json'], far)).map(({ text }) => text))
    .toEqual(expect.arrayContaining(['hello', 'there']))
  const bad = await run(`send ${mistyped(String(eva['nprofile']))} lost --as alice`)
  expect([bad.code, bad.stderr]).toEqual([3, expect.stringContaining('not a valid npub or nprofile')])
})
