import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Agent, createMemoryMailStore } from 'posthorn'
import { createRelay } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { backupLog, restoreLog } from '#dist/relay/tools.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { dice } from '../relay/dice.ts'
import { connect, hintsOf, isFor } from '../relay/wire.ts'
import { contactsOf, memoryAgent } from '../sdk/agents.ts'
import { type RelayProcess, type RelayProcessOptions, startRelayProcess } from './relay-process.ts'

const AGENTS = Number(process.env['DRILL_AGENTS'] ?? 50)
/** Messages a second, of all agents together. */
const RATE = 40
const DISK_MB = 64
const jumpingClock = ['--import', new URL('./jumping-clock.mjs', import.meta.url).href]

const seed = testSeed('drill')

/** A small disk of its own, where this user may mount one. */
function smallDisk(): { folder: string; mounted: boolean } {
  const folder = tempDir()
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'posthorn-drill', folder])
  if (status !== 0) return { folder, mounted: false }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]))
  return { folder, mounted: true }
}

/** Mail among all agents for as long as it is not stopped, and what each of them must have in the end. */
function startMail(agents: readonly Agent[]) {
  const random = dice(seed)
  const expected = new Map(agents.map(({ pubkey }) => [pubkey, new Set<string>()]))
  const sent: { readonly agent: Agent; readonly id: string }[] = []
  let running = true
  let n = 0
  const run = async () => {
    while (running) {
      const [from, to] = [agents[random.below(agents.length)], agents[random.below(agents.length)]]
      if (from === undefined || to === undefined || from === to) continue
      n += 1
      // Most of it sealed, as by default.
      sent.push({ agent: from, id: await from.send(to.pubkey, `mail ${n}`, { public: n % 4 === 0 }) })
      expected.get(to.pubkey)?.add(`mail ${n}`)
      await delay(1_000 / RATE)
    }
  }
  const done = run()
  return {
    expected,
    sent,
    async stop() {
      running = false
      await done
    },
  }
}

const missing = (agents: readonly Agent[], expected: ReadonlyMap<string, ReadonlySet<string>>) =>
  agents.flatMap(agent => {
    const there = new Set(agent.inbox().map(({ text }) => text))
    return [...(expected.get(agent.pubkey) ?? [])].filter(text => !there.has(text))
  })

/** Messages at the relay, as a reader finds them that was never here: in log order. */
async function idsAt(url: string): Promise<Set<string>> {
  const wire = await connect(url)
  const ids = new Set<string>()
  let cursor: Record<string, unknown> = { since_seq: 0 }
  for (let page = 0; ; page += 1) {
    const frames = await wire.request(`p${page}`, { kinds: [4700], ...cursor })
    for (const [, , event] of frames.filter(isFor('EVENT'))) ids.add((event as { id: string }).id)
    const hints = hintsOf(frames.at(-1))
    cursor = { since_seq: Number(hints['seq']), epoch: hints['epoch'] }
    if ('finish' in hints) break
  }
  wire.socket.terminate()
  return ids
}

test(`${AGENTS} agents under load lose nothing: deploy, kill, restored snapshot, full disk, a clock that jumps`, {
  timeout: 180_000,
}, async () => {
  const { folder, mounted } = smallDisk()
  const data = join(folder, 'data')
  const snapshots = tempDir()
  let relay: RelayProcess = await startRelayProcess(data)
  const { url } = relay
  const port = Number(new URL(url).port)
  const start = async (options: RelayProcessOptions = {}) => {
    relay = await startRelayProcess(data, { port, ...options })
  }
  const people = Array.from({ length: AGENTS }, (_, n) => person(`drill ${n}`))
  const contacts = contactsOf(...people)
  const handled = new Map<string, number>()
  const agents = await Promise.all(
    people.map(async who => {
      // Reconnects that wait for up to half a minute pass in some seconds.
      const agent = await memoryAgent(who, url, { contacts, speed: 8, store: createMemoryMailStore() })
      agent.handle('inform', ({ id }) => void handled.set(id, (handled.get(id) ?? 0) + 1))
      return agent
    }),
  )
  const mail = startMail(agents)
  onTestFinished(() => mail.stop())
  /** The load goes on; the relay has stored this much more of it. */
  const storesMore = async (count = RATE) => {
    const wire = await connect(url)
    const goal = ((await wire.count({ kinds: [4700] }))[2] as { count: number }).count + count
    const stored = async () => ((await wire.count({ kinds: [4700] }))[2] as { count: number }).count
    await expect.poll(stored, { timeout: 30_000, interval: 100 }).toBeGreaterThanOrEqual(goal)
    wire.socket.terminate()
  }
  await storesMore()

  // A deploy as a platform does it.
  expect(await relay.stop(), relay.complaints()).toBe(0)
  await delay(500)
  await start()
  await storesMore()

  await relay.kill()
  await start()
  await storesMore()

  // A snapshot taken while it runs, put back after more had come.
  const snapshot = join(snapshots, 'snapshot.db')
  const { events } = await backupLog(data, snapshot)
  await storesMore()
  await relay.kill()
  rmSync(data, { recursive: true })
  expect(await restoreLog(snapshot, data)).toMatchObject({ events, ok: true })
  await start()
  await storesMore()

  // A disk that is full, and has room again.
  const refusal = async () => {
    const wire = await connect(url)
    let reason: unknown
    // Several: a journal that was there before the disk was full still has room in itself.
    for (let n = 0; n < 10 && reason === undefined; n += 1) {
      const note = person('ballast').sign({ created_at: nowSeconds(), content: `${n} ${'x'.repeat(45_000)}` })
      const [, , accepted, why] = await wire.publish(note)
      if (accepted !== true) reason = why
    }
    wire.socket.terminate()
    return reason
  }
  if (mounted) {
    const ballast = join(folder, 'ballast')
    // Until there is no more: what else is being written takes its share meanwhile.
    expect(() => {
      for (;;) appendFileSync(ballast, Buffer.alloc(4_096))
    }).toThrow('ENOSPC')
    await expect.poll(refusal, { timeout: 30_000 }).toBe('error: storage full, nothing was stored')
    await delay(1_000)
    rmSync(ballast)
  } else {
    await relay.stop()
    const full = await createRelay({ data, maxLogBytes: 1, onError: () => {} })
    await full.listen({ port })
    await expect.poll(refusal, { timeout: 30_000 }).toBe('error: storage full, nothing was stored')
    await full.close()
    await start()
  }
  await storesMore()
  expect(await relay.stop(), relay.complaints()).toBe(0)

  // The relay's wall clock jumps, within the time window that it grants events.
  await start({ nodeArgs: jumpingClock, env: { POSTHORN_TEST_JUMPS: '600,-1200' } })
  for (let jump = 0; jump < 2; jump += 1) {
    await storesMore()
    relay.signal('SIGUSR2')
  }
  await storesMore()
  await mail.stop()
  await expect.poll(() => missing(agents, mail.expected), { timeout: 60_000 }).toEqual([])
  await expect.poll(() => agents.filter(agent => agent.status().queue > 0).length, { timeout: 60_000 }).toBe(0)

  const delivered = mail.sent.map(({ agent, id }) => agent.delivery(id)?.state)
  expect(delivered.filter(state => state === undefined || state === 'queued' || state === 'failed')).toEqual([])
  for (const agent of agents) {
    const texts = agent.inbox().map(({ text }) => text)
    expect(texts.length).toBe(new Set(texts).size)
  }
  await expect.poll(() => handled.size).toBe(mail.sent.length)
  expect([...handled.values()].filter(times => times > 1)).toEqual([])
  // What was lost with the restored snapshot was offered again, but for what its recipient had signed for by then.
  const unknown = async () => {
    const there = await idsAt(url)
    return mail.sent.flatMap(({ agent, id }) =>
      there.has(id) || agent.receipts(id).length > 0 ? [] : [{ id, delivery: agent.delivery(id) }],
    )
  }
  await expect.poll(unknown, { timeout: 20_000, interval: 500 }).toEqual([])
  const there = await idsAt(url)
  const gone = mail.sent.filter(({ id }) => !there.has(id)).length
  expect(await relay.stop(), relay.complaints()).toBe(0)
  console.log(
    `drill: ${AGENTS} agents, ${mail.sent.length} messages, ${gone} signed for and gone with the snapshot, full disk ${mounted ? 'mounted' : 'by a limit'}`,
  )
})
