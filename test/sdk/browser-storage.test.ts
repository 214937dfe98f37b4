import { IDBFactory } from 'fake-indexeddb'
import {
  type Agent,
  createMemoryMailStore,
  type OpenAgentOptions,
  openAgent as openNodeAgent,
  problemsOf,
} from 'posthorn'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { dialNode } from '#dist/platform/dial-node.js'
import { openAgent, restoreStorage } from '#dist/sdk/browser/index.js'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { alice, contactsOf, eventually } from './agents.ts'

/** What a page has and Node has not, for one test. */
const GLOBALS = ['indexedDB', 'localStorage', 'navigator'] as const
let before: (PropertyDescriptor | undefined)[]
let relay: RunningRelay
beforeEach(async () => {
  before = GLOBALS.map(name => Object.getOwnPropertyDescriptor(globalThis, name))
  const texts = new Map<string, string>()
  const held = new Set<string>()
  const page = {
    indexedDB: new IDBFactory(),
    localStorage: {
      getItem: (key: string) => texts.get(key) ?? null,
      setItem: (key: string, text: string) => void texts.set(key, text),
      clear: () => texts.clear(),
    },
    navigator: {
      locks: {
        async request(name: string, _how: object, run: (lock: object | null) => Promise<void>) {
          // As in a browser, never in the call itself.
          await null
          if (held.has(name)) return run(null)
          held.add(name)
          await run({})
          held.delete(name)
        },
      },
    },
  }
  for (const name of GLOBALS)
    Object.defineProperty(globalThis, name, { value: page[name], configurable: true, writable: true })
  relay = await startRelay()
})
afterEach(async () => {
  for (const [index, name] of GLOBALS.entries()) {
    const was = before[index]
    if (was) Object.defineProperty(globalThis, name, was)
    else Reflect.deleteProperty(globalThis, name)
  }
  await relay[Symbol.asyncDispose]()
})

async function openPhone(options: OpenAgentOptions = {}): Promise<Agent> {
  // A lock is free a moment after its owner let go.
  await new Promise(setImmediate)
  const agent = await openAgent({
    name: 'phone',
    relays: [relay.url],
    presence: false,
    announce: false,
    ...options,
    host: { dial: dialNode, contacts: () => contactsOf(alice), ...options.host },
  })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 0 }).catch(() => {})))
  return agent
}

/** As a browser does when the visitor clears the data of a site, localStorage apart. */
async function wipe(): Promise<void> {
  for (const { name = '' } of await indexedDB.databases())
    await new Promise((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name)
      request.onsuccess = resolve
      request.onerror = reject
      request.onblocked = reject
    })
}

const gone = { code: 'storage-gone', message: expect.stringContaining('restoreStorage(agent)') }

test('storage wiped under an open agent is named, in errors and in the status, and can be written back', async () => {
  const phone = await openPhone()
  const { pubkey } = phone
  await phone.send('alice', 'before')
  await phone.state.set('mood', 'calm')
  await phone.state.flush()
  const told: unknown[] = []
  phone.on('status', ({ storage }) => told.push(storage))
  await wipe()
  await eventually('the status has it', () => phone.status().storage === 'storage-gone')
  await eventually('listeners hear of it', () => told.includes('storage-gone'))
  expect(problemsOf(phone.status())[0]).toMatchObject({ code: 'storage-gone', level: 'fail' })
  await expect(phone.send('alice', 'meanwhile')).rejects.toMatchObject(gone)

  await restoreStorage(phone)
  expect(phone.status().storage).toBeUndefined()
  const id = await phone.send('alice', 'after')
  await phone.stored(id)
  // What was refused meanwhile was queued all the same, and goes out.
  await eventually('all is out', () => phone.status().queue === 0)
  await phone.close()
  const again = await openPhone()
  expect(again.pubkey).toBe(pubkey)
  expect(again.sent(id)?.delivery.state).toBe('stored')
  expect(await again.state.get('mood')).toBe('calm')
})

test('a key is not made in silence where one was', async () => {
  const phone = await openPhone()
  const { pubkey, npub } = phone
  await phone.close()
  await wipe()
  const lost = { code: 'profile-lost', message: expect.stringContaining(npub) }
  await expect(openPhone()).rejects.toMatchObject(lost)
  // Asking again changes nothing, and another name is free.
  await expect(openPhone()).rejects.toMatchObject(lost)
  expect((await openPhone({ name: 'watch' })).pubkey).not.toBe(pubkey)
  const fresh = await openPhone({ create: 'new' })
  expect(fresh.pubkey).not.toBe(pubkey)
  await fresh.close()
  expect((await openPhone()).pubkey).toBe(fresh.pubkey)
})

test('the lost key brings its profile back; another one does not take its place unasked', async () => {
  const other = new Uint8Array(32).fill(7)
  const phone = await openPhone({ host: { secretKey: alice.secretKey } })
  expect(phone.pubkey).toBe(alice.pubkey)
  await phone.close()
  await wipe()
  await expect(openPhone({ host: { secretKey: other } })).rejects.toMatchObject({ code: 'profile-lost' })
  const back = await openPhone({ host: { secretKey: alice.secretKey } })
  expect(back.pubkey).toBe(alice.pubkey)
  await back.close()
  await wipe()
  const replaced = await openPhone({ create: 'new', host: { secretKey: other } })
  expect(replaced.pubkey).not.toBe(alice.pubkey)
})

test('where a page may not use localStorage, everything else works', async () => {
  Object.defineProperty(globalThis, 'localStorage', {
    configurable: true,
    get() {
      throw new DOMException('denied', 'SecurityError')
    },
  })
  const phone = await openPhone()
  const { pubkey } = phone
  await phone.close()
  expect((await openPhone()).pubkey).toBe(pubkey)
})

test('a page drains, too', async () => {
  const asker = await openNodeAgent({
    name: 'alice',
    relays: [relay.url],
    presence: false,
    announce: false,
    host: { secretKey: alice.secretKey, store: createMemoryMailStore() },
  })
  onTestFinished(async () => void (await asker.close({ timeoutMs: 0 })))
  const phone = await openPhone()
  const { pubkey } = phone
  await phone.close()
  for (let n = 0; n < 8; n += 1) await asker.stored(await asker.send(pubkey, `${n}`, { act: 'request' }))
  const awake = await openPhone()
  awake.handle('request', async ({ text }) => {
    await new Promise(resolve => setTimeout(resolve, 10))
    return text
  })
  const { drained } = await awake.close({ drain: true, timeoutMs: 25_000 })
  expect(drained).toMatchObject({ complete: true, handled: 8, left: 0, unsent: 0, notReached: [] })
})
