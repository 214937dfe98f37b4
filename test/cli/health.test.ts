import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { allWell, isComplete, isPublished, isSynced, openAgent, problemsOf } from 'posthorn'
import { openDoc } from 'posthorn/doc'
import { saneDefaults } from 'posthorn/relay'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connectReason } from '#dist/platform/connect-reason.js'
import { person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { BIN, inProcess, json } from './posthorn.ts'

const NOWHERE = 'ws://127.0.0.1:9'

function scene() {
  const folder = tempDir()
  const run = (line: string) => inProcess(line.split(' '), { env: { XDG_DATA_HOME: folder } })
  return { run, home: (name: string) => join(folder, 'posthorn', name) }
}

const LIVE = { url: 'ws://a', state: 'live', mayMiss: false } as const
const WELL = { relays: [LIVE], queue: 0, unread: 3, unknownSenders: 0, undelivered: 0, failed: 0, records: [] }

describe('the judgement', () => {
  test('of nothing amiss; each fact by itself is a problem with a code and advice', () => {
    expect(problemsOf(WELL)).toEqual([])
    expect([isSynced(WELL), isPublished(WELL), allWell(problemsOf(WELL))]).toEqual([true, true, true])
    const amiss = {
      'relay-unreachable': { relays: [LIVE, { ...LIVE, state: 'offline', error: 'gone' }] },
      'relay-refuses': { relays: [{ ...LIVE, state: 'catching-up', error: 'restricted: members only' }] },
      'relay-takes-no-mail': { relays: [{ ...LIVE, error: 'error: storage full' }] },
      'relay-behind': { relays: [{ ...LIVE, state: 'catching-up' }] },
      'relay-may-miss': { relays: [{ ...LIVE, mayMiss: true }] },
      'relay-partial': { relays: [{ ...LIVE, mayMiss: true, partial: 'it gave 5 events of one second' }] },
      'mail-waiting': { queue: 1 },
      'mail-undelivered': { undelivered: 1 },
      'mail-failed': { failed: 1 },
      'senders-unknown': { unknownSenders: 1 },
      'state-waiting': { records: [{ kind: 'private', unwritten: 1, unsent: 0 }] },
      'document-waiting': { records: [{ kind: 'document', id: 'd', unwritten: 0, unsent: 2 }] },
    } as const
    for (const [code, fact] of Object.entries(amiss)) {
      const found = problemsOf({ ...WELL, ...fact })
      expect(found, code).toMatchObject([{ code, what: expect.stringMatching(/./), do: expect.stringMatching(/./) }])
      expect(allWell(found), code).toBe(false)
    }
    expect(isPublished({ ...WELL, ...amiss['state-waiting'] })).toBe(false)
    expect(isPublished({ ...WELL, undelivered: 1 })).toBe(false)
  })

  test('what is not known is never well: no relay asked, no state looked at', () => {
    expect(isSynced({})).toBe(false)
    expect(isSynced({ relays: [] })).toBe(false)
    expect(isPublished({ queue: 0, undelivered: 0 })).toBe(false)
    expect(isComplete([])).toBe(false)
    expect(isComplete([{ status: 'offline' }])).toBe(false)
    expect(isComplete([{ status: 'offline' }, { status: 'live' }])).toBe(true)
    expect(isComplete([{ status: 'catching-up' }, { status: 'live' }])).toBe(false)
  })
})

describe('every verb says the same of the same facts', () => {
  test('a message that no relay takes: status, catchup, doctor and the SDK', async () => {
    const owner = person('owner')
    const relay = await startRelay({ owners: [owner.pubkey], policy: saneDefaults({ members: true }) })
    const { run, home } = scene()
    for (const name of ['ann', 'bea']) await run(`init --as ${name} --relay ${relay.url}`)
    expect((await run('send bea stuck --as ann --timeout 1')).code).toBe(4)
    const agent = await openAgent({ home: home('ann'), create: false, announce: false })
    onTestFinished(async () => void (await agent.close({ timeoutMs: 0 })))
    await expect.poll(() => agent.status().relays[0]?.error).toMatch(/^restricted:/)
    const codes = problemsOf(agent.status()).map(({ code }) => code)
    const published = agent.status().queue + agent.status().undelivered
    expect(published).toBeGreaterThan(0)
    expect(codes).toContain('relay-refuses')
    await agent.close({ timeoutMs: 0 })
    for (const verb of ['status', 'catchup'] as const) {
      const told = await run(`${verb} --as ann --json`)
      expect([verb, told.code]).toEqual([verb, 4])
      expect(json(told)).toMatchObject({ synced: false, published: false, allWell: false })
    }
    const { allWell: isWell, findings } = json(await run('doctor --as ann --json')) as {
      allWell: boolean
      findings: { code?: string; check: string }[]
    }
    expect(isWell).toBe(false)
    expect(findings.some(({ code }) => code === 'mail-waiting' || code === 'mail-undelivered')).toBe(true)
  })

  test('state that waits: told by status and doctor, and catchup takes it along', async () => {
    const relay = await startRelay()
    const { run } = scene()
    await run(`init --as ann --relay ${NOWHERE}`)
    const set = await run('state set mood gloomy --as ann --timeout 0.5 --json')
    expect([set.code, json(set)['published']]).toEqual([5, false])
    const waiting = { kind: 'state', unwritten: 1, unsent: 0 }
    expect(json(await run('status --as ann --offline --json'))).toMatchObject({
      records: [waiting],
      published: false,
      allWell: false,
    })
    expect((await run('status --as ann --offline')).stdout).toContain('state   1 change at no relay yet')
    expect((await run('doctor --as ann --timeout 1')).stdout).toContain('the public state: 1 change not signed yet')
    await run(`init --as ann --relay ${relay.url}`)
    const caught = await run('catchup --as ann --json')
    expect(caught.code).toBe(0)
    expect(json(caught)).toMatchObject({ synced: true, published: true, allWell: true, records: [], problems: [] })
    await run(`init --as bea --relay ${relay.url}`)
    expect((await run('state get mood --of ann --as bea')).stdout).toBe('gloomy\n')
  })

  test('state and a document that wait: status() and close() of the SDK, doctor after it', async () => {
    const { run, home } = scene()
    await run(`init --as ann --relay ${NOWHERE}`)
    const agent = await openAgent({ home: home('ann'), create: false, announce: false, presence: false })
    onTestFinished(async () => void (await agent.close({ timeoutMs: 0 })))
    await agent.state.set('mood', 'gloomy')
    const shared = await openDoc(agent, 'plan', { timeoutMs: 100 })
    shared.doc.getText('text').insert(0, 'unheard')
    const codes = () => problemsOf(agent.status()).map(({ code }) => code)
    expect(codes()).toContain('state-waiting')
    expect(isPublished(agent.status())).toBe(false)
    // No relay was read: one may have the key from an earlier life of this home, so its removal waits, too.
    // The document's creation, too, is at no relay.
    await agent.state.delete('mood')
    await expect.poll(() => agent.status().state.unwritten + agent.status().state.unacknowledged).toBe(3)
    const { state } = await agent.close({ timeoutMs: 100 })
    expect(state).toMatchObject({ unwritten: 2, unacknowledged: 1 })
    const told = await run('doctor --as ann --timeout 0.5')
    expect(told.stdout).toMatch(/warn {2}state .*a document: /)
    expect(json(await run('status --as ann --offline --json'))).toMatchObject({
      published: false,
      problems: expect.arrayContaining([
        expect.objectContaining({ code: 'state-waiting' }),
        expect.objectContaining({ code: 'document-waiting', about: shared.id }),
      ]),
    })
  })

  test('an order that no agent takes is told by doctor', async () => {
    const relay = await startRelay()
    const { run, home } = scene()
    await run(`init --as ann --relay ${relay.url}`)
    await run('catchup --as ann')
    writeFileSync(join(home('ann'), 'spool', `${'ab'.repeat(16)}.json`), '{"v":1}', { mode: 0o600 })
    const told = await run('doctor --as ann')
    expect(told.stdout).toContain('1 order that no agent has taken')
    expect(told.stderr).not.toContain('all well')
  })
})

describe('damaged files are called damaged', () => {
  const damages: Record<string, (path: string) => void> = {
    'random bytes': path =>
      writeFileSync(path, Buffer.from(Array.from({ length: 9_000 }, (_, n) => (n * 97 + 13) % 251))),
    emptied: path => truncateSync(path, 0),
    'cut short': path => truncateSync(path, Math.floor(statSync(path).size / 2)),
    'overwritten in the middle': path => {
      const file = openSync(path, 'r+')
      writeSync(file, Buffer.alloc(statSync(path).size - 4_096, 0x5a), 0, undefined, 4_096)
      closeSync(file)
    },
  }

  test('mail.db: doctor says so, verbs end with 6, the file is left as it is', async () => {
    const relay = await startRelay()
    const { run, home } = scene()
    for (const name of ['ann', 'bea']) await run(`init --as ${name} --relay ${relay.url}`)
    await run('send ann hello --as bea')
    await run('catchup --as ann')
    expect((await run('doctor --as ann')).code).toBe(0)
    const file = join(home('ann'), 'mail.db')
    const sound = readFileSync(file)
    for (const [how, damage] of Object.entries(damages)) {
      for (const rest of ['-wal', '-shm']) rmSync(file + rest, { force: true })
      writeFileSync(file, sound)
      damage(file)
      const before = readFileSync(file)
      const doctor = await run('doctor --as ann')
      expect([how, doctor.code, doctor.stdout]).toEqual([how, 6, expect.stringMatching(/FAIL {2}mail .*damaged/)])
      expect(doctor.stderr).toContain('not well')
      for (const verb of ['status --offline', 'send bea hi']) {
        const told = await run(`${verb} --as ann`)
        expect([how, verb, told.code, told.stderr]).toEqual([how, verb, 6, expect.stringContaining('damaged')])
        expect(told.stderr).not.toContain('another program')
      }
      if (how !== 'overwritten in the middle') expect(readFileSync(file).equals(before)).toBe(true)
    }
  })

  test('a list of contacts, of invites, a card that is no JSON; a file where the spool has to be', async () => {
    const relay = await startRelay()
    const { run, home } = scene()
    await run(`init --as ann --relay ${relay.url}`)
    await run('catchup --as ann')
    for (const name of ['contacts', 'invites', 'card']) {
      const file = join(home('ann'), `${name}.json`)
      writeFileSync(file, '{"v":1,"x', { mode: 0o600 })
      const doctor = await run('doctor --as ann')
      expect([doctor.code, doctor.stdout]).toEqual([6, expect.stringContaining(`cut short or overwritten: ${file}`)])
      if (name !== 'card') expect((await run(`${name.slice(0, -1)} list --as ann`)).code, name).toBe(6)
      rmSync(file)
    }
    expect((await run('doctor --as ann')).stderr).toContain('all well')
    rmSync(join(home('ann'), 'spool'), { recursive: true })
    writeFileSync(join(home('ann'), 'spool'), '', { mode: 0o600 })
    const doctor = await run('doctor --as ann')
    expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringMatching(/FAIL {2}spool .*spool is no folder/)])
  })

  test('state.db of random bytes: doctor and state verbs', async () => {
    const relay = await startRelay()
    const { run, home } = scene()
    await run(`init --as ann --relay ${relay.url}`)
    await run('state set a 1 --as ann')
    writeFileSync(join(home('ann'), 'state.db'), Buffer.alloc(9_000, 7))
    const doctor = await run('doctor --as ann')
    expect([doctor.code, doctor.stdout]).toEqual([
      6,
      expect.stringMatching(/FAIL {2}state .*state\.db is not a SQLite/),
    ])
    for (const verb of ['state get a', 'state set a 2', 'status', 'catchup']) {
      const told = await run(`${verb} --as ann`)
      expect([verb, told.code, told.stderr]).toEqual([verb, 6, expect.stringContaining('state.db is not a SQLite')])
    }
  })
})

describe('a relay’s files', () => {
  test('relay check of junk, of nothing, of a folder; backup into no folder; a failed restore leaves none', async () => {
    const folder = tempDir()
    const run = (...args: string[]) => inProcess(args, { env: { XDG_DATA_HOME: folder } })
    const junk = join(folder, 'junk.db')
    writeFileSync(junk, Buffer.alloc(9_000, 0x31))
    const empty = join(folder, 'empty.db')
    writeFileSync(empty, '')
    for (const file of [junk, empty]) {
      const told = await run('relay', 'check', file)
      expect([told.code, told.stdout]).toEqual([6, expect.stringMatching(/^damaged: /)])
      expect(told.stdout).not.toContain('another program')
    }
    const { relay, data } = await startRelay()
    await relay.close()
    cpSync(data, join(folder, 'posthorn-relay'), { recursive: true })
    expect(await run('relay', 'check', data)).toMatchObject({ code: 0 })
    const nowhere = await run('relay', 'backup', 'no-such-dir/x.db')
    expect([nowhere.code, nowhere.stderr]).toEqual([3, expect.stringContaining('there is no folder no-such-dir ')])
    const target = join(folder, 'made', 'below')
    const failed = await run('relay', 'restore', junk, '--data', target)
    expect([failed.code, existsSync(join(folder, 'made'))]).toEqual([6, false])
    truncateSync(join(folder, 'posthorn-relay', 'log.db'), 0)
    const started = await run('relay', '--port', '0')
    expect([started.code, started.stderr]).toEqual([6, expect.stringContaining('log.db is not a SQLite database')])
  })
})

describe('names as they were given', () => {
  test('renaming a contact is said; a copied profile is listed by its folder; a passphrase file may begin with a mark', async () => {
    const relay = await startRelay()
    const { run, home } = scene()
    for (const name of ['ann', 'bob']) await run(`init --as ${name} --relay ${relay.url}`)
    const npub = String(json(await run('whoami --as bob --json'))['npub'])
    expect((await run(`contact add bo ${npub} --as ann`)).stderr).toContain('was called bob; it is now called bo')
    expect((await run(`contact add bo ${npub} --as ann`)).stderr).toBe('')
    expect(json(await run(`contact add bobby ${npub} --as ann --json`))).toMatchObject({ renamedFrom: 'bo' })
    cpSync(home('bob'), home('bob-copy'), { recursive: true })
    expect((await run('whoami --as nobody')).stderr).toContain('ann, bob, bob-copy')
    const words = await run('completion words -- whoami --as b')
    expect(words.lines.map(line => line.split('\t')[0])).toEqual(['bob', 'bob-copy'])
    const file = join(home('ann'), 'pass')
    writeFileSync(file, '\uFEFFsesame\r\n', { mode: 0o600 })
    expect((await run(`key passphrase --as ann --new-passphrase-file ${file}`)).code).toBe(0)
    writeFileSync(file, 'sesame\n', { mode: 0o600 })
    expect((await run(`send bobby hi --as ann --passphrase-file ${file}`)).code).toBe(0)
  })

  test('__proto__ is a key of state like any other', async () => {
    const relay = await startRelay()
    const { run } = scene()
    await run(`init --as ann --relay ${relay.url}`)
    expect((await run('state set __proto__ 1 --as ann')).code).toBe(0)
    expect(await run('state get __proto__ --as ann')).toMatchObject({ code: 0, stdout: '1\n' })
  })
})

describe('why a connection failed, in words', () => {
  test.each([
    [{ message: 'connect ECONNREFUSED 127.0.0.1:9', code: 'ECONNREFUSED' }, 'ws://a', /nothing listens there/],
    [{ message: 'getaddrinfo ENOTFOUND a', code: 'ENOTFOUND' }, 'ws://a', /no such host name \(DNS\)/],
    [{ message: 'Unexpected server response: 301' }, 'ws://a', /redirects .*write wss:\/\/ instead of ws:\/\//],
    [{ message: 'Unexpected server response: 302' }, 'wss://a', /redirects .*no relay at this address/],
    [{ message: 'Unexpected server response: 404' }, 'ws://a', /no relay at this address/],
    [{ message: 'Unexpected server response: 502' }, 'ws://a', /proxy in front of it/],
    [{ message: 'wrong version number', code: 'ERR_SSL_WRONG_VERSION_NUMBER' }, 'wss://a', /does not speak TLS/],
    [{ message: 'certificate has expired', code: 'CERT_HAS_EXPIRED' }, 'wss://a', /certificate has expired/],
    [{ message: 'self-signed', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'wss://a', /signed by itself/],
    [{ message: 'something new' }, 'ws://a', /^something new$/],
  ])('%j', ({ message, ...code }, url, expected) => {
    expect(connectReason(Object.assign(new Error(message), code), url)).toMatch(expected)
  })
})

test.skipIf(process.platform === 'win32' || process.getuid?.() !== 0)(
  'files that this user may not write: doctor says so, and verbs name the file',
  async () => {
    const folder = tempDir()
    const owned = join(folder, 'owned')
    mkdirSync(owned)
    const env = { XDG_DATA_HOME: owned, HOME: owned, PATH: process.env['PATH'] ?? '' }
    const own = (path: string) => {
      chownSync(path, 4242, 4242)
      if (statSync(path).isDirectory()) for (const name of readdirSync(path)) own(join(path, name))
    }
    const asUser = (...args: string[]) =>
      spawnSync(process.execPath, [BIN, ...args], { env, uid: 4242, gid: 4242, encoding: 'utf8', timeout: 20_000 })
    await inProcess(['init', '--as', 'ann', '--relay', NOWHERE], { env })
    await inProcess(['send', 'ann', 'hi', '--as', 'ann', '--timeout', '0.1'], { env })
    chmodSync(folder, 0o755)
    own(owned)
    const home = join(owned, 'posthorn', 'ann')
    chmodSync(join(home, 'mail.db'), 0o400)
    const doctor = asUser('doctor', '--as', 'ann', '--timeout', '0.3')
    expect(doctor.stdout).toMatch(/FAIL {2}files .*this user cannot write .*mail\.db/)
    const inbox = asUser('inbox', '--as', 'ann', '--offline')
    expect([inbox.status, inbox.stderr]).toEqual([
      1,
      expect.stringMatching(/mail\.db cannot be opened .*this user may not/),
    ])
    chmodSync(home, 0o500)
    expect(asUser('status', '--as', 'ann').stderr).toMatch(/lock\.db cannot be opened/)
    const homeless = spawnSync(process.execPath, [BIN, 'whoami'], {
      env: { PATH: env.PATH },
      uid: 4243,
      gid: 4243,
      encoding: 'utf8',
      timeout: 20_000,
    })
    expect([homeless.status, homeless.stderr]).toEqual([2, expect.stringContaining('no home folder')])
  },
)
