import { join } from 'node:path'
import { allWell, openAgent, problemsOf, readHome } from 'posthorn'
import type { WritePolicy } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { currentClient, postOf } from '../mcp/posts.ts'
import { inProcess, json, type Outcome } from './posthorn.ts'

/** Nothing listens on the discard port. */
const NOWHERE = 'ws://127.0.0.1:9'

const running = async (write?: WritePolicy): Promise<RunningRelay> => {
  const relay = await startRelay(write ? { policy: { write } } : {})
  onTestFinished(() => relay[Symbol.asyncDispose]())
  return relay
}

/** Profiles of one machine: ada reads at the first relay, eve at the second. */
async function machine(ada: string, eve: string) {
  const folder = tempDir()
  const run = (line: string): Promise<Outcome> => inProcess(line.split(' '), { env: { XDG_DATA_HOME: folder } })
  await run(`init --as ada --relay ${ada}`)
  await run(`init --as eve --relay ${eve}`)
  return { run, home: (name: string) => join(folder, 'posthorn', name) }
}

const doctorOf = async (run: (line: string) => Promise<Outcome>) => {
  const outcome = await run('doctor --as ada --json')
  const findings = json(outcome)['findings'] as { check: string; level: string; code?: string }[]
  return { code: outcome.code, stderr: outcome.stderr, outbox: findings.find(({ check }) => check === 'outbox') }
}

test('the only relay of a local profile is not there: its mail is owed, whatever the sender’s own relay has', async () => {
  const hub = await running()
  const { run } = await machine(hub.url, NOWHERE)
  const sent = await run('send eve hi --as ada --json')
  expect([sent.code, json(sent)]).toMatchObject([
    5,
    {
      queued: true,
      state: 'queued',
      waiting: [{ relay: NOWHERE, reason: 'the relay was not reached' }],
      left: [hub.url],
    },
  ])
  expect(sent.stderr).toContain(`${NOWHERE} does not have it: the relay was not reached`)
  expect(sent.stderr).toContain(`left at ${hub.url}: it arrives from there only if eve reads there`)
  expect(sent.stderr).not.toMatch(/no relay of|stored at/)
  const { id } = json(sent)
  expect(json(await run('status --as ada --json'))).toMatchObject({
    queue: 1,
    published: false,
    allWell: false,
    problems: [{ code: 'mail-waiting' }],
  })
  const receipts = json(await run(`receipts ${id} --as ada --json`))
  expect(receipts).toMatchObject({
    state: 'queued',
    relays: [
      { relay: NOWHERE, state: 'waiting' },
      { relay: hub.url, state: 'stored', fallback: true },
    ],
  })
  expect(receipts).not.toHaveProperty('route')
  expect((await run(`receipts ${id} --as ada`)).stdout).not.toContain('no relay of the recipient is known')
  const doctor = await doctorOf(run)
  expect(doctor.outbox).toMatchObject({ level: 'warn', code: 'mail-waiting' })
  expect(doctor.stderr).not.toContain('all well')

  // She reads elsewhere from now on.
  await run(`init --as eve --relay ${hub.url}`)
  expect(json(await run('catchup --as ada --json'))).toMatchObject({ complete: true })
  expect(json(await run('status --as ada --json'))).toMatchObject({ queue: 0, published: true })
  expect(json(await run(`receipts ${id} --as ada --json`))).toMatchObject({ state: 'stored', route: 'local-profile' })
  expect((await doctorOf(run)).outbox).toMatchObject({ level: 'ok' })
})

test('the only relay of a local profile refuses its mail: said with its reason, exit 1, a dead letter', async () => {
  const [hub, closed] = [await running(), await running(() => 'blocked: not here')]
  const { run } = await machine(hub.url, closed.url)
  const sent = await run('send eve hi --as ada --json')
  expect([sent.code, json(sent)]).toMatchObject([
    1,
    { state: 'refused', relay: closed.url, reason: 'blocked: not here' },
  ])
  expect(sent.stderr).toContain(`${closed.url} refused the message: blocked: not here`)
  expect(sent.stderr).toContain('not offered again by itself')
  const { id } = json(sent)
  expect(json(await run('status --as ada --json'))).toMatchObject({
    queue: 0,
    undelivered: 1,
    published: false,
    allWell: false,
  })
  expect(json(await run(`receipts ${id} --as ada --json`))).toMatchObject({
    state: 'refused',
    reason: 'blocked: not here',
    relays: [
      { relay: closed.url, state: 'refused', reason: 'blocked: not here' },
      { relay: hub.url, state: 'stored' },
    ],
  })
  expect((await doctorOf(run)).outbox).toMatchObject({ level: 'warn', code: 'mail-undelivered' })
})

test('the relay of the recipient is busy: waiting, with its own reason, also beside the running agent; then stored', async () => {
  let isBusy = true
  const [hub, busy] = [await running(), await running(() => (isBusy ? 'rate-limited: later' : undefined))]
  const { run, home } = await machine(hub.url, busy.url)
  const sent = await run('send eve hi --as ada --timeout 1 --json')
  expect([sent.code, json(sent)]).toMatchObject([
    5,
    { state: 'queued', waiting: [{ relay: busy.url, reason: 'rate-limited: later' }] },
  ])
  const { id } = json(sent)
  const agent = await openAgent({ home: home('ada'), announce: false, presence: false })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 100 })))
  expect(agent.delivery(String(id))).toEqual({ state: 'queued' })
  expect(agent.status().queue).toBe(1)
  expect(allWell(problemsOf(agent.status()))).toBe(false)
  expect(await agent.drain({ timeoutMs: 1_000 })).toMatchObject({ complete: false, unsent: 1 })
  const view = readHome(home('ada'))
  onTestFinished(() => view.close())
  expect(view.sent(String(id))).toMatchObject({
    delivery: { state: 'queued' },
    copies: [
      { relay: busy.url, state: 'waiting', reason: 'rate-limited: later' },
      { relay: hub.url, state: 'stored' },
    ],
  })
  const mcp = await currentClient(postOf(agent))
  const status = (await mcp.call('message_status', { id })).data
  expect(status).toMatchObject({ state: 'queued', relays: [{ state: 'waiting' }, { state: 'stored', fallback: true }] })
  expect(status.relays[0].reason).toContain('rate-limited: later')
  expect(status.next).toContain('No relay where eve reads has it yet')
  expect((await mcp.call('whoami')).data).toMatchObject({ queue: 1, all_well: false })

  isBusy = false
  expect(await agent.stored(String(id), { timeout: 20_000 })).toMatchObject({ relay: busy.url, route: 'local-profile' })
  expect(agent.status().queue).toBe(0)
  expect(agent.copies(String(id))[0]).toEqual({ relay: busy.url, state: 'stored', seq: expect.any(Number) })
})

test('send names the clock when relays refuse what it dates', async () => {
  const { systemClock } = await import('#dist/platform/clock.js')
  // The relay's clock is a day behind ours.
  const late = await startRelay({ clock: { ...systemClock, now: () => systemClock.now() - 86_400_000 } })
  onTestFinished(() => late[Symbol.asyncDispose]())
  const { run } = await machine(late.url, late.url)
  const sent = await run('send eve hi --as ada --json')
  expect([sent.code, json(sent)]).toMatchObject([5, { state: 'queued', waiting: [{ relay: late.url }] }])
  expect(String((json(sent)['waiting'] as { reason: string }[])[0]?.reason)).toMatch(/^invalid: .*(created_at|future)/)
  expect(sent.stderr).toContain('the clock of this machine is wrong, or that of the relay')
})
