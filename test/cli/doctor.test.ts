import { chmodSync, cpSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { openAgent } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import type { RelayOptions } from 'posthorn/relay'
import { saneDefaults } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { scriptedRelay } from '../sdk/scripted-relay.ts'
import { inProcess, json } from './posthorn.ts'

interface Found {
  readonly check: string
  readonly level: string
  readonly about?: string
  readonly what: string
  readonly do?: string
}

async function scene(options: RelayOptions = {}) {
  const relay = await startRelay(options)
  const folder = tempDir()
  const env = { XDG_DATA_HOME: folder }
  const run = (line: string) => inProcess(line.split(' '), { env })
  const doctor = async (line = '') => {
    const outcome = await run(`doctor --json ${line}`.trim())
    const { ok, findings } = json(outcome) as { ok: boolean; findings: Found[] }
    expect(
      findings.filter(({ level, do: advice, what }) => level !== 'ok' && advice === undefined && !/; |:/.test(what)),
    ).toEqual([])
    return { code: outcome.code, ok, of: (check: string) => findings.find(finding => finding.check === check) }
  }
  for (const name of ['ann', 'bea']) await run(`init --as ${name} --relay ${relay.url}`)
  return { relay, env, folder, run, doctor, home: (name: string) => join(folder, 'posthorn', name) }
}

test('all well: exit 0, every part looked at, in words and as JSON; beside a running agent too', async () => {
  const { env, home, run, doctor } = await scene()
  await run('catchup --as ann')
  const said = await inProcess(['doctor', '--as', 'ann'], { env })
  expect(said.code).toBe(0)
  expect(said.stderr).toContain('all well')
  expect(said.lines.map(line => line.trim().split(/\s+/).slice(0, 2).join(' '))).toEqual(
    [
      'profile',
      'key',
      'files',
      'mail',
      'relay',
      'clock',
      'outbox',
      'inbox',
      'strangers',
      'state',
      'spool',
      'wake',
      'verifier',
    ].map(check => `ok ${check}`),
  )
  expect(said.stdout).toMatch(/reachable; caught up; log at \d+$/m)
  const agent = await openAgent({ home: home('ann'), create: false, announce: false })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 100 })))
  expect(await doctor('--as ann')).toMatchObject({ code: 0, ok: true })
})

test('what waits is counted, and stays; who is unknown is told', async () => {
  const { run, doctor, env, relay } = await scene()
  await run('catchup --as ann')
  await run('send ann one --as bea')
  await run('send ann two --as bea')
  for (let look = 0; look < 2; look += 1)
    expect((await doctor('--as ann')).of('relay')?.what).toContain('2 messages to fetch (posthorn catchup)')
  const { npub } = json(await run('whoami --as ann --json'))
  const elsewhere = { XDG_DATA_HOME: tempDir() }
  await inProcess(['init', '--relay', relay.url], { env: elsewhere })
  await inProcess(['send', String(npub), 'from afar'], { env: elsewhere })
  await inProcess(['catchup', '--as', 'ann'], { env })
  const { code, of } = await doctor('--as ann')
  expect(code).toBe(0)
  expect(of('strangers')).toMatchObject({ level: 'warn', what: expect.stringContaining('1 unknown sender') })
  expect(of('relay')?.what).toContain('caught up')
  expect(of('mail')?.what).toBe('3 messages unread')
})

test('no profile: 3; a key open to others, or gone, or another’s; files open to others', async () => {
  const { doctor, home } = await scene()
  expect(await doctor('--as nobody')).toMatchObject({ code: 3, ok: false })
  chmodSync(join(home('ann'), 'profile.json'), 0o644)
  const open = await doctor('--as ann')
  expect(open).toMatchObject({ code: 0, ok: true })
  expect(open.of('files')).toMatchObject({ level: 'warn', what: expect.stringContaining('profile.json') })
  chmodSync(join(home('ann'), 'key'), 0o644)
  const exposed = await doctor('--as ann')
  expect(exposed.code).toBe(1)
  expect(exposed.of('key')).toMatchObject({ level: 'fail', what: expect.stringContaining('chmod 600') })
  chmodSync(join(home('ann'), 'key'), 0o600)
  writeFileSync(join(home('ann'), 'key'), `${Buffer.from(person('another').secretKey).toString('hex')}\n`)
  expect((await doctor('--as ann')).of('key')).toMatchObject({
    level: 'fail',
    what: expect.stringContaining('not the key'),
  })
  rmSync(join(home('ann'), 'key'))
  expect((await doctor('--as ann')).code).toBe(1)
})

test('a copy of a profile beside it: doctor names both folders, and contacts have the key once', async () => {
  const { home, run, doctor } = await scene()
  cpSync(home('ann'), home('ann.bak'), { recursive: true })
  expect(await doctor('--as ann')).toMatchObject({ code: 0, ok: true })
  const { stdout } = await run('doctor --as ann')
  expect(stdout).toContain(`warn  profile    the same key is in ${home('ann.bak')}`)
  expect(json(await run('doctor --as ann --json'))).toMatchObject({ allWell: false })
  expect((await run('contact list --as bea')).lines.map(line => line.split(' ')[0])).toEqual(['ann'])
})

test('a relay that is not there: 5, within the time, and what is queued for it is told', async () => {
  const { doctor, run } = await scene()
  await run('init --as ann --relay ws://127.0.0.1:9')
  await run('init --as bea --relay ws://127.0.0.1:9')
  await run('send bea later --as ann --timeout 0.1')
  const { code, of } = await doctor('--as ann --timeout 1')
  expect(code).toBe(5)
  expect(of('relay')).toMatchObject({ level: 'fail', about: 'ws://127.0.0.1:9', do: expect.any(String) })
  expect(of('outbox')).toMatchObject({
    level: 'warn',
    code: 'mail-waiting',
    what: expect.stringContaining('1 message not yet with a relay of their recipient'),
  })
  expect(of('clock')).toBeUndefined()
})

test('a relay for members: AUTH is done, a stranger is refused with 4 and the way in', async () => {
  const owner = person('owner')
  const { doctor } = await scene({ owners: [owner.pubkey], policy: saneDefaults({ members: true }) })
  const { code, of } = await doctor('--as ann')
  expect(code).toBe(4)
  expect(of('relay')).toMatchObject({
    level: 'fail',
    what: expect.stringMatching(/^restricted:/),
    do: expect.stringContaining('invite'),
  })
  const open = await scene({ policy: saneDefaults({ requireAuth: 'all' }) })
  const served = await open.doctor('--as ann')
  expect(served.code).toBe(0)
  expect(served.of('relay')?.what).toContain('knows this key')
})

test('a relay of another kind, with a clock of its own: no log order, skew; silence is bounded', async () => {
  const http = createServer((_, response) => {
    response.setHeader('date', new Date(Date.now() - 3_600_000).toUTCString())
    response.end('{}')
  })
  const sockets = new WebSocketServer({ server: http })
  let mute = false
  sockets.on('connection', socket =>
    socket.on('message', data => {
      const [type, sub] = JSON.parse(String(data))
      if (type === 'REQ' && !mute) socket.send(JSON.stringify(['EOSE', sub]))
    }),
  )
  await new Promise<void>(listening => http.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate()
    http.close()
  })
  const { doctor } = await scene()
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`
  const { code, of } = await doctor(`--as ann --relay ${url}`)
  expect(code).toBe(1)
  expect(of('relay')).toMatchObject({ level: 'warn', what: expect.stringContaining('no log order') })
  expect(of('clock')).toMatchObject({ level: 'fail', what: expect.stringMatching(/^3\d{3} s behind this machine/) })
  mute = true
  expect((await doctor(`--as ann --relay ${url} --timeout 0.5`)).of('relay')?.what).toBe('no answer in 0.5 s')
})

/** A relay without a log: newest first, no positions; it says that an answer is whole (NIP-67). */
function plainRelay() {
  const events: NostrEvent[] = []
  return scriptedRelay((peer, frame) => {
    if (frame[0] === 'EVENT') {
      events.unshift(frame[1])
      peer.send('OK', frame[1].id, true, '')
    }
    if (frame[0] !== 'REQ') return
    const wanted = frame.slice(2) as {
      kinds?: number[]
      authors?: string[]
      '#p'?: string[]
      since?: number
      until?: number
    }[]
    for (const event of events)
      if (
        wanted.some(
          filter =>
            (filter.kinds?.includes(event.kind) ?? true) &&
            (filter.authors?.includes(event.pubkey) ?? true) &&
            event.created_at >= (filter.since ?? 0) &&
            event.created_at <= (filter.until ?? Number.POSITIVE_INFINITY) &&
            (filter['#p'] === undefined || event.tags.some(([, value = '']) => filter['#p']?.includes(value))),
        )
      )
        peer.event(frame[1], event)
    peer.send('EOSE', frame[1], ['finish'])
  })
}

test('a relay without a log: doctor and status judge alike, before and after mail came', async () => {
  const relay = await plainRelay()
  const env = { XDG_DATA_HOME: tempDir() }
  const run = (line: string) => inProcess(line.split(' '), { env })
  for (const name of ['ann', 'bea']) await run(`init --as ${name} --relay ${relay.url}`)
  const isCaughtUp = async () => {
    const found = (json(await run('doctor --as bea --json')) as { findings: Found[] }).findings
    return found.find(({ check }) => check === 'relay')?.what
  }
  const status = async () => (await run('status --as bea')).stdout
  expect(await isCaughtUp()).toMatch(/; caught up; it keeps no log order/)
  expect(await status()).toContain('live, caught up')
  expect(await isCaughtUp()).toMatch(/; caught up; /)
  expect((await run('send bea hello --as ann')).code).toBe(0)
  expect(await isCaughtUp()).toMatch(/; 1 message to fetch \(posthorn catchup\); /)
  expect(await status()).toContain('live, caught up')
  expect(await isCaughtUp()).toMatch(/; caught up; /)
})
