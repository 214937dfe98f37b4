import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Agent, createProfile, handOver, handOverRead, openAgent, readHome, setProfileRelays } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { eventually, messageTo } from './agents.ts'

const SDK = pathToFileURL('dist/sdk/index.js').href

async function open(home: string, relay: string): Promise<Agent> {
  const agent = await openAgent({ home, relays: [relay] })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 100 })))
  return agent
}

/** A child process that runs `script` with `openAgent` and `home` in scope. Its first line of output resolves it. */
async function childAgent(
  home: string,
  relay: string,
  script: string,
): Promise<{ child: ChildProcess; lines: string[] }> {
  const source = `
    import { openAgent } from ${JSON.stringify(SDK)}
    const [home, relay] = process.argv.slice(1)
    const agent = await openAgent({ home, relays: [relay] })
    ${script}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source, home, relay], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  child.stdout.on('data', data => lines.push(...String(data).trim().split('\n')))
  return { child, lines }
}

const kill = async (child: ChildProcess) => {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

test('one home, one agent; the second is told, and may come once the first is closed', async () => {
  await using relay = await startRelay()
  const home = join(tempDir(), 'alice')
  const first = await open(home, relay.url)
  await expect(openAgent({ home, relays: [relay.url] })).rejects.toMatchObject({
    code: 'home-in-use',
    message: expect.stringContaining(String(process.pid)),
  })
  await first.close()
  await (await open(home, relay.url)).close()
})

test('key, name, mail and queue outlive the process', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const bob = await open(join(root, 'bob'), relay.url)
  const alice = await open(join(root, 'alice'), relay.url)
  const id = await bob.send('alice', 'kept')
  await bob.stored(id)
  await alice.sync()
  const { pubkey, npub } = alice
  await alice.close()
  const again = await open(join(root, 'alice'), relay.url)
  expect(again).toMatchObject({ name: 'alice', pubkey, npub })
  expect(again.inbox()).toMatchObject([{ id, text: 'kept', fromName: 'bob', known: true }])
})

test('close tells what did not go out, and the next start sends it', async () => {
  const relay = await startRelay()
  const root = tempDir()
  createProfile({ home: join(root, 'bob'), relays: ['ws://127.0.0.1:9'] })
  const offline = await openAgent({ home: join(root, 'alice'), relays: ['ws://127.0.0.1:9'] })
  const id = await offline.send('bob', 'later')
  expect(await offline.close({ timeoutMs: 300 })).toEqual({ unsent: 1, untold: 0 })
  setProfileRelays(join(root, 'bob'), [relay.url])
  const online = await open(join(root, 'alice'), relay.url)
  expect(await online.stored(id)).toMatchObject({ state: 'stored' })
  await online.close()
  await relay[Symbol.asyncDispose]()
})

test('beside a running agent: writes go through the spool, reads see the home as it is', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const [home, bobHome] = [join(root, 'alice'), join(root, 'bob')]
  const bob = await open(bobHome, relay.url)
  const alice = await open(home, relay.url)
  const id = await handOver(home, 'bob', 'from beside', { act: 'query' })
  await eventually('stored', () => alice.delivery(id)?.state === 'stored')
  await eventually('arrived', () => bob.inbox().length === 1)
  expect(bob.inbox()[0]).toMatchObject({ id, text: 'from beside', act: 'query', private: true, fromName: 'alice' })
  expect(readdirSync(join(home, 'spool'))).toEqual([])

  const view = readHome(bobHome)
  expect(view.inbox()).toMatchObject([{ id, text: 'from beside', read: false }])
  expect(view.status()).toMatchObject({ queue: 0, unread: 1, failed: 0, undelivered: 0, unknownSenders: 0 })
  expect(view.find(id.slice(0, 10))).toMatchObject({ id })
  handOverRead(bobHome, id)
  await eventually('read', () => bob.inbox()[0]?.read === true)
  expect(view.find(id)?.read).toBe(true)
  view.close()

  const reply = await handOver(bobHome, 'alice', 'in answer', { replyTo: id })
  await eventually('answered', () => alice.inbox().length === 1)
  expect(alice.inbox()[0]).toMatchObject({ id: reply, replyTo: id, root: id, arrival: 1 })
})

test('the spool is drained at the next start; what nobody signed for this home is thrown away', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const home = join(root, 'alice')
  createProfile({ home, relays: [relay.url] })
  createProfile({ home: join(root, 'bob'), relays: [relay.url] })
  const id = await handOver(home, 'bob', 'while nobody ran')
  const spool = join(home, 'spool')
  const foreign = messageTo(person('bob'), person('mallory'), 'not alice’s')
  const lay = (n: number, text: string, mode = 0o600) =>
    writeFileSync(join(spool, `${String(n).repeat(32)}.json`), text, { mode })
  const order = (event: NostrEvent) => JSON.stringify({ v: 1, send: { id: foreign.id, event: JSON.stringify(event) } })
  lay(1, order(foreign))
  lay(2, 'no json')
  lay(3, order({ ...foreign, pubkey: readHome(home).profile.pubkey }))
  lay(4, order(foreign), 0o644)
  const agent = await open(home, relay.url)
  expect(await agent.stored(id)).toMatchObject({ state: 'stored' })
  expect(agent.delivery(foreign.id)).toBeUndefined()
  // The one others could have written is left for a person to look at.
  expect(readdirSync(spool)).toEqual([`${'4'.repeat(32)}.json`])
})

test('what is handed over while the agent closes is not lost', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const home = join(root, 'alice')
  createProfile({ home: join(root, 'bob'), relays: [relay.url] })
  const agent = await open(home, relay.url)
  agent.handle('request', () => new Promise(() => {}))
  await agent.send(agent.pubkey, 'keeps the closing busy', { act: 'request' })
  await eventually('working', () => agent.inbox()[0]?.state === 'working')
  const closing = agent.close({ timeoutMs: 1_500 })
  const id = await handOver(home, 'bob', 'just in time')
  await closing
  expect(readdirSync(join(home, 'spool')).length).toBe(1)
  const again = await open(home, relay.url)
  expect(await again.stored(id)).toMatchObject({ state: 'stored' })
})

test('kill -9 between recording and handling: the handler runs again, and the sender gets one answer', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const home = join(root, 'bob')
  createProfile({ home, relays: [relay.url] })
  const alice = await open(join(root, 'alice'), relay.url)
  const id = await alice.send('bob', 'work', { act: 'request' })
  await alice.stored(id)

  const stuck = await childAgent(
    home,
    relay.url,
    `agent.handle('request', async m => { console.log('started', m.id); await new Promise(() => {}) })`,
  )
  await eventually('started', () => stuck.lines.includes(`started ${id}`))
  await kill(stuck.child)
  const view = readHome(home)
  expect(view.find(id)).toMatchObject({ state: 'working', attempts: 1 })
  view.close()

  const bob = await open(home, relay.url)
  const ran: string[] = []
  bob.handle('request', m => {
    ran.push(m.id)
    return 'done'
  })
  for await (const reply of alice.replies(id)) {
    expect(reply.text).toBe('done')
    break
  }
  expect(ran).toEqual([id])
  expect(bob.inbox()).toMatchObject([{ id, state: 'done', attempts: 2 }])
})

test('a message that kills the process each time is set aside after three, and the sender told', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const home = join(root, 'bob')
  createProfile({ home, relays: [relay.url] })
  const alice = await open(join(root, 'alice'), relay.url)
  const id = await alice.send('bob', 'poison', { act: 'request' })
  await alice.stored(id)
  for (let time = 0; time < 3; time += 1) {
    const { child } = await childAgent(
      home,
      relay.url,
      `agent.handle('request', () => process.kill(process.pid, 'SIGKILL'))`,
    )
    await once(child, 'exit')
  }
  const bob = await open(home, relay.url)
  let ran = 0
  bob.handle('request', () => {
    ran += 1
  })
  for await (const reply of alice.replies(id)) {
    expect(reply).toMatchObject({ act: 'failure', text: expect.stringContaining('interrupted') })
    break
  }
  expect(ran).toBe(0)
  expect(bob.inbox()[0]).toMatchObject({ state: 'set-aside', attempts: 3 })
})

test('work stopped by close is not counted as an attempt', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const home = join(root, 'bob')
  createProfile({ home, relays: [relay.url] })
  const alice = await open(join(root, 'alice'), relay.url)
  const id = await alice.send('bob', 'long', { act: 'request' })
  const bob = await open(home, relay.url)
  let aborted = false
  bob.handle('request', ({ signal }) => {
    signal.addEventListener('abort', () => {
      aborted = true
    })
    return new Promise(() => {})
  })
  await eventually('working', () => bob.inbox()[0]?.state === 'working')
  await bob.close({ timeoutMs: 50 })
  expect(aborted).toBe(true)
  const view = readHome(home)
  expect(view.find(id)).toMatchObject({ state: 'new', attempts: 0 })
  view.close()
})

test('nothing holds the process after close()', async () => {
  await using relay = await startRelay()
  const { child, lines } = await childAgent(
    join(tempDir(), 'alice'),
    relay.url,
    `agent.handle('request', () => 'x')
     await agent.sync()
     await agent.send(agent.pubkey, 'me', { deadline: 3600 })
     console.log(JSON.stringify(await agent.close()))`,
  )
  const [code] = await once(child, 'exit')
  expect([code, lines]).toEqual([0, ['{"unsent":0,"untold":0}']])
})
