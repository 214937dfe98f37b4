import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { allWell, isComplete, isPublished, isSynced, openAgent, problemsOf } from 'posthorn'
import { saneDefaults } from 'posthorn/relay'
import { describe, expect, onTestFinished, test } from 'vitest'
import { person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess, json } from './posthorn.ts'

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

  test.each(Object.keys(damages))('mail.db: %s', async how => {
    const relay = await startRelay()
    const { run, home } = scene()
    for (const name of ['ann', 'bea']) await run(`init --as ${name} --relay ${relay.url}`)
    await run('catchup --as ann')
    await run('send ann hello --as bea')
    await run('catchup --as ann')
    expect((await run('doctor --as ann')).code).toBe(0)
    const file = join(home('ann'), 'mail.db')
    damages[how]?.(file)
    const before = readFileSync(file)
    const doctor = await run('doctor --as ann')
    expect(doctor.code).toBe(6)
    expect(doctor.stdout).toMatch(/FAIL {2}mail .*damaged/)
    expect(doctor.stderr).toContain('not well')
    for (const verb of ['status', 'inbox', 'send bea hi']) {
      const told = await run(`${verb} --as ann`)
      expect([verb, told.code, told.stderr], verb).toEqual([verb, 6, expect.stringContaining('damaged')])
      expect(told.stderr).not.toContain('another program')
    }
    if (how !== 'overwritten in the middle') expect(readFileSync(file).equals(before)).toBe(true)
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
