import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Agent, openAgent } from 'posthorn'
import { createRelay, type Relay, type Store } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { createMeshLog, type MeshLog } from '#dist/testing/mesh-log.js'
import { sharedVerifier } from '../../helpers/shared-verifier.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { fillDisk, freeDisk } from '../../status/disk.ts'
import { alice, bob, contactsOf, eventually, memoryAgent } from '../agents.ts'

/** What was stored is not told to subscriptions that are open: their clients end before they have read what they wrote. */
const untold = (store: Store): Store =>
  new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name !== 'append') return typeof value === 'function' ? value.bind(target) : value
      return async (...args: Parameters<Store['append']>) => ({ ...(await target.append(...args)), entries: [] })
    },
  })

/** A relay whose log can be put back; its address stays. */
async function rewindable({ tells = true } = {}) {
  let log: MeshLog = await createMeshLog()
  let relay: Relay | undefined
  let port = 0
  const start = async () => {
    relay = await createRelay({ store: tells ? log.store : untold(log.store), verifier: await sharedVerifier() })
    const url = await relay.listen({ port })
    port = Number(new URL(url).port)
    return url
  }
  const url = await start()
  onTestFinished(async () => relay?.close())
  return {
    url,
    save: () => log.snapshot(),
    async putBack(to: ReturnType<MeshLog['snapshot']>) {
      await relay?.close()
      tells = true
      log = await createMeshLog(to)
      await start()
    },
    async last() {
      return (await log.store.readLog({ filters: [], after: 0, limit: 1, gone: false, keys: [], now: 0 })).last
    },
  }
}

async function inFolder(home: string, url: string | readonly string[]): Promise<Agent> {
  const agent = await openAgent({ home, name: 'ada', relays: [url].flat(), announce: false, presence: false })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 100 })))
  return agent
}

async function reads(url: string | readonly string[], pubkey: string, key: string, wanted: unknown): Promise<void> {
  const reader = await memoryAgent(bob, url, { contacts: [] })
  const view = await reader.openState(pubkey)
  await eventually(`${key} is ${wanted}`, () => view.get(key) === wanted && !view.status.behind)
  await reader.close({ timeoutMs: 100 })
}

test.each([1, 40])('a relay that was put back before %i writes of an agent gets them again', async writes => {
  const relay = await rewindable({ tells: false })
  const home = join(tempDir(), 'ada')
  const ada = await inFolder(home, relay.url)
  await ada.state.set('first', 1)
  expect(await ada.state.flush()).toBe(true)
  const { pubkey } = ada
  await ada.close()
  const saved = relay.save()
  const again = await inFolder(home, relay.url)
  // Ends with the relay's OK: what it wrote it need not have read back.
  for (let n = 1; n <= writes; n += 1) {
    await again.state.set('second', `${n}`.padEnd(100, '.'))
    expect(await again.state.flush()).toBe(true)
  }
  await again.close()
  await relay.putBack(saved)
  const third = await inFolder(home, relay.url)
  await third.state.get('second')
  await reads(relay.url, pubkey, 'second', `${writes}`.padEnd(100, '.'))
  expect((await third.state.open()).view.status.unacknowledged).toBe(0)
})

/** Alice's folder as it was before she set `key`, and the relays that have it. */
async function putBackHome(before: string | undefined, relays: readonly string[]) {
  const folder = tempDir()
  const home = join(folder, 'ada')
  const ada = await inFolder(home, relays)
  await ada.state.update({ other: 1, ...(before === undefined ? {} : { key: before }) })
  expect(await ada.state.flush()).toBe(true)
  await ada.close()
  const copy = join(folder, 'copy')
  cpSync(home, copy, { recursive: true })
  const later = await inFolder(home, relays)
  await later.state.set('key', 'of a time that is undone')
  expect(await later.state.flush()).toBe(true)
  await later.close()
  rmSync(home, { recursive: true })
  cpSync(copy, home, { recursive: true })
  return home
}

test.each([
  ['what is removed', undefined, 1],
  ['what is removed at two relays', undefined, 2],
  ['what is set as it was', 'old', 1],
  ['what is set as it was at two relays', 'old', 2],
])('%s right after a folder was put back is the last word', async (_, value, count) => {
  const relays = await Promise.all(Array.from({ length: count }, rewindable))
  const urls = relays.map(({ url }) => url)
  const home = await putBackHome(value, urls)
  const ada = await inFolder(home, urls)
  // Before any relay was read: the folder has it so already.
  await ada.state.set('key', value ?? null)
  expect(await ada.state.flush()).toBe(true)
  expect(await ada.state.get('key')).toBe(value)
  await reads(urls, ada.pubkey, 'key', value)
  const last = await relays[0]?.last()
  const changes: unknown[] = []
  ada.state.subscribe('key', change => changes.push(change))
  // It is known now that nothing else is about.
  await ada.state.set('key', value ?? null)
  expect(await ada.state.flush()).toBe(true)
  expect([await relays[0]?.last(), changes]).toEqual([last, []])
})

test('what is set as it is already, before relays were read, costs no event', async () => {
  const relay = await rewindable()
  const home = join(tempDir(), 'ada')
  const ada = await inFolder(home, relay.url)
  await ada.state.set('key', 'same')
  expect(await ada.state.flush()).toBe(true)
  await ada.close()
  const last = await relay.last()
  const again = await inFolder(home, relay.url)
  await again.state.set('key', 'same')
  expect(await again.state.flush()).toBe(true)
  const { status } = (await again.state.open()).view
  expect([status.unwritten, status.unacknowledged, await relay.last()]).toEqual([0, 0, last])
})

test('a view that cannot keep what came is behind, says why, and is not once there is room', async () => {
  const relay = await rewindable()
  const home = join(tempDir(), 'ada')
  const reader = await inFolder(home, relay.url)
  const owner = await memoryAgent(alice, relay.url)
  await owner.state.set('n', 0)
  expect(await owner.state.flush()).toBe(true)
  const view = await reader.openState(alice.pubkey)
  await eventually('it is read', () => view.get('n') === 0 && !view.status.behind)
  fillDisk(home)
  onTestFinished(() => freeDisk(home))
  await owner.state.set('n', 'x'.repeat(15_000))
  expect(await owner.state.flush()).toBe(true)
  await eventually('it is behind', () => view.status.behind)
  expect(view.status.error).toMatch(/cannot be kept: .*full/)
  expect(view.get('n')).toBe(0)
  freeDisk(home)
  await eventually('it has it', () => view.get('n') !== 0 && !view.status.behind)
  expect(view.status.error).toBeUndefined()
})

test('where nothing says where somebody publishes, and nothing is found, the view is behind and says why', async () => {
  const [hers, his] = [await rewindable(), await rewindable()]
  const owner = await memoryAgent(alice, hers.url)
  await owner.state.set('n', 1)
  expect(await owner.state.flush()).toBe(true)
  const reader = await memoryAgent(bob, his.url, { contacts: contactsOf(alice) })
  const view = await reader.openState('alice')
  expect(await view.ready()).toBe(true)
  expect(view.status).toMatchObject({
    behind: true,
    caughtUp: 1,
    error: expect.stringMatching(/not known where its author publishes/),
  })
  // And found at the own relays it is not.
  const near = await memoryAgent(alice, his.url)
  await near.state.set('n', 2)
  await eventually('it is read', () => view.get('n') === 2)
  expect(view.status.behind).toBe(false)
  expect(view.status.error).toBeUndefined()
})
