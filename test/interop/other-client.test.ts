import { setTimeout as wait } from 'node:timers/promises'
import type { Client, Event, EventId, Keys } from '@rust-nostr/nostr-sdk'
import { saneDefaults } from 'posthorn/relay'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket as NodeSocket } from 'ws'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'

/**
 * As browsers have it: no message comes in the task that tells of the opening. This client sets its handler after that task, and
 * would miss the challenge that Node's `ws` hands out at once.
 */
class BrowserSocket extends NodeSocket {
  constructor(url: string, protocols?: string[]) {
    super(url, protocols)
    this.once('open', () => {
      this.pause()
      setImmediate(() => this.resume())
    })
  }
}
// Looked for when the module is loaded.
Object.assign(globalThis, { WebSocket: globalThis.WebSocket ?? BrowserSocket })
const { default: sdk } = await import('@rust-nostr/nostr-sdk')
await sdk.loadWasmAsync()

// The Rust library (its own events, AUTH, negentropy, NIP-17, 44 and 59) as WASM, used as its documentation shows.
const PATIENCE = sdk.Duration.fromSecs(10)

let server: RunningRelay
beforeAll(async () => {
  server = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
})
afterAll(() => server?.[Symbol.asyncDispose]())

const clients: Client[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) await client.shutdown()
})

/** A client with a key of its own, connected. */
async function open(): Promise<{ client: Client; keys: Keys }> {
  const keys = sdk.Keys.generate()
  const client = new sdk.Client(sdk.NostrSigner.keys(keys))
  clients.push(client)
  await client.addRelay(server.url)
  await client.tryConnect(PATIENCE)
  return { client, keys }
}

const idsOf = (ids: readonly EventId[]): string[] => ids.map(id => id.toHex()).sort()
const fetched = async (client: Client, filter: InstanceType<typeof sdk.Filter>): Promise<Event[]> =>
  (await client.fetchEvents(filter, PATIENCE)).toVec()
const mailFor = (keys: Keys) => new sdk.Filter().kinds([new sdk.Kind(1059)]).pubkeys([keys.publicKey])

/** Publishes notes and resolves to their ids. */
async function publish(client: Client, count: number): Promise<string[]> {
  const ids: EventId[] = []
  for (let n = 0; n < count; n += 1) {
    const { id, success } = await client.sendEventBuilder(sdk.EventBuilder.textNote(`note ${n}`))
    expect(success).toHaveLength(1)
    ids.push(id)
  }
  return idsOf(ids)
}

describe('AUTH', () => {
  test('it authenticates by itself, then writes and reads what a stranger may not', async () => {
    const { client, keys } = await open()
    const [id] = await publish(client, 1)
    const mine = await fetched(client, new sdk.Filter().author(keys.publicKey))
    expect(mine.map(event => event.id.toHex())).toEqual([id])
    expect(mine[0]?.verify()).toBe(true)
  })

  test('without a key it is refused, in words that it understands', async () => {
    const stranger = new sdk.Client()
    clients.push(stranger)
    await stranger.addRelay(server.url)
    await stranger.tryConnect(PATIENCE)
    const event = sdk.EventBuilder.textNote('not let in').signWithKeys(sdk.Keys.generate())
    const { success, failed } = await stranger.sendEvent(event).catch(error => ({ success: [], failed: [error] }))
    expect(success).toEqual([])
    expect(failed).toHaveLength(1)
  })
})

describe('negentropy', () => {
  test('it learns what the relay has and fetches it', async () => {
    const [writer, reader] = [await open(), await open()]
    const ids = await publish(writer.client, 12)
    const filter = new sdk.Filter().author(writer.keys.publicKey)
    const { report, success, failed } = await reader.client.sync(filter, new sdk.SyncOptions())
    expect([success.length, failed]).toEqual([1, []])
    expect(idsOf(report.remote)).toEqual(ids)
    expect(idsOf(report.received)).toEqual(ids)
    expect(report.local).toEqual([])
  })

  test('mail of others is not among what it learns', async () => {
    const [sender, recipient, other] = [await open(), await open(), await open()]
    const { id } = await sender.client.sendPrivateMsg(recipient.keys.publicKey, 'for you alone', [])
    const filter = () => new sdk.Filter().pubkeys([recipient.keys.publicKey])
    expect((await other.client.sync(filter(), new sdk.SyncOptions())).report.remote).toEqual([])
    expect(idsOf((await recipient.client.sync(filter(), new sdk.SyncOptions())).report.remote)).toEqual([id.toHex()])
  })
})

describe('private messages (NIP-17)', () => {
  test('a message is wrapped, kept for who sleeps, and opened by the recipient alone', async () => {
    const sender = await open()
    const keys = sdk.Keys.generate()
    const { success } = await sender.client.sendPrivateMsg(keys.publicKey, 'wake up', [])
    expect(success).toHaveLength(1)
    // The recipient comes later.
    const client = new sdk.Client(sdk.NostrSigner.keys(keys))
    clients.push(client)
    await client.addRelay(server.url)
    await client.tryConnect(PATIENCE)
    const [wrap, ...more] = await fetched(client, mailFor(keys))
    if (wrap === undefined) throw new Error('no mail')
    expect(more).toEqual([])
    const { sender: from, rumor } = await client.unwrapGiftWrap(wrap)
    expect([from.toHex(), rumor.content]).toEqual([sender.keys.publicKey.toHex(), 'wake up'])
    expect(await fetched((await open()).client, mailFor(keys))).toEqual([])
    expect(await fetched(sender.client, mailFor(keys))).toEqual([])
  })

  test('a message arrives while the recipient listens, and the answer comes back', async () => {
    const [asker, answerer] = [await open(), await open()]
    const heard: string[] = []
    for (const { client, keys } of [asker, answerer]) {
      await client.subscribe(mailFor(keys))
      client.handleNotifications({
        handleEvent: async (_relay, _sub, wrap) => {
          const { sender, rumor } = await client.unwrapGiftWrap(wrap)
          heard.push(rumor.content)
          if (rumor.content === 'ping') await client.sendPrivateMsg(sender, 'pong', [])
          return false
        },
        handleMsg: async () => false,
      })
    }
    await asker.client.sendPrivateMsg(answerer.keys.publicKey, 'ping', [])
    while (!heard.includes('pong')) await wait(10)
    expect(heard).toEqual(['ping', 'pong'])
  })
})
