import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import type { NostrEvent } from 'posthorn/protocol'
import { createRelay, type Relay, type Store } from 'posthorn/relay'
import { parseFilter } from '#dist/protocol/filter.js'
import { WIRE_LIMITS } from '#dist/protocol/wire-limits.js'
import { openSqliteStore } from '#dist/relay/log/sqlite/store.js'
import { createMeshLog, type LogSnapshot } from '#dist/testing/mesh-log.js'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import type { WorldTime } from './clocks.ts'
import { type Lies, lieBetween } from './wire-faults.ts'

/** What a relay refuses, as a standard reason; `undefined` takes it. */
export type Refusal = 'blocked' | 'restricted' | 'auth-required' | 'rate-limited' | 'kinds' | 'read'

/** A real relay at an address that stays, with everything that can be wrong with it. */
export interface Place {
  readonly url: string
  readonly number: number
  readonly isUp: boolean
  readonly isStalled: boolean
  /** Lied about what it has, or about what it took, since the history began. */
  readonly hides: boolean
  readonly drops: boolean
  readonly forges: boolean
  readonly lies: Lies
  refusal: Refusal | undefined
  full: boolean
  skewMs: number
  /** How often its log was put back. */
  readonly rewinds: number
  start(): Promise<void>
  stop(): Promise<void>
  /** Connections stay and say nothing, as those of a stopped process do. */
  stall(on: boolean): void
  /** Cuts every connection. */
  cut(): void
  lie(lies: Lies): void
  save(): Promise<void>
  /** Back to the copy that was saved last but `back`; stopped and started. */
  rewind(back: number): Promise<void>
  readonly saved: number
  /** Is it in the log now, and was it ever, whatever was put back since. */
  has(id: string): Promise<boolean>
  everHad(id: string): boolean
  /** In log order. */
  log(filter: object): Promise<readonly NostrEvent[]>
  /** Every event that was ever stored, of these kinds. */
  ever(kinds: readonly number[]): readonly NostrEvent[]
  close(): Promise<void>
}

export interface PlaceOptions {
  readonly number: number
  readonly time: WorldTime
  /** In this folder; without one in memory. */
  readonly data?: string
  chance(share: number | undefined): boolean
  /** Keys that the oracle reads as. */
  keys(): readonly string[]
  /** The store that the relay writes to: for a planted fault. */
  alter?(store: Store): Store
}

const PAGE = 500

export async function createPlace(options: PlaceOptions): Promise<Place> {
  const { number, time, data, chance } = options
  const sockets = new Set<Socket>()
  const ever = new Map<string, NostrEvent>()
  let memory = data === undefined ? await createMeshLog() : undefined
  /** Of SQLite logs what is saved is a journal as well: replayed, not copied under a thread that writes. */
  const copies: (LogSnapshot | readonly NostrEvent[])[] = []
  let generation = 0
  let store: Store | undefined
  let relay: Relay | undefined
  let port = 0
  let stalled = false
  let lies: Lies = {}

  const watched = (inner: Store): Store =>
    new Proxy(inner, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (name !== 'append') return typeof value === 'function' ? value.bind(target) : value
        return async (events: readonly NostrEvent[], nowMs: number) => {
          if (place.full) throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
          const commit = await target.append(events, nowMs)
          for (const [at, { status }] of commit.outcomes.entries()) {
            const event = events[at]
            if (event && status !== 'refused') ever.set(event.id, event)
          }
          return commit
        }
      },
    })

  const server: Server = createServer({ allowHalfOpen: false }, client => {
    client.setNoDelay(true)
    sockets.add(client)
    client.on('close', () => sockets.delete(client))
    client.on('error', () => client.destroy())
    if (relay === undefined || port === 0) return void client.destroy()
    const upstream = dial(port, '127.0.0.1')
    upstream.setNoDelay(true)
    sockets.add(upstream)
    upstream.on('close', () => {
      sockets.delete(upstream)
      client.destroy()
    })
    client.on('close', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    lieBetween(client, upstream, () => lies, chance)
    if (stalled) for (const socket of [client, upstream]) socket.pause()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as AddressInfo
  const url = `ws://127.0.0.1:${address.port}`

  const folder = () => `${data}/${generation}`
  const openStore = async (): Promise<Store> =>
    watched(memory === undefined ? await openSqliteStore(folder(), {}) : memory.store)

  const listen = (on: boolean): Promise<void> =>
    on
      ? server.listening
        ? Promise.resolve()
        : new Promise(resolve => server.listen(address.port, '127.0.0.1', resolve))
      : new Promise(resolve => {
          if (!server.listening) return resolve()
          server.close(() => resolve())
          for (const socket of sockets) socket.destroy()
        })

  const write = (event: NostrEvent, isStranger: boolean): string | undefined => {
    switch (place.refusal) {
      case 'blocked':
        return 'blocked: nothing is kept here'
      case 'restricted':
        return 'restricted: not you'
      case 'auth-required':
        return isStranger ? 'auth-required: who are you' : undefined
      case 'rate-limited':
        return 'rate-limited: slow down'
      case 'kinds':
        return event.kind === 4700 || event.kind === 34_701 ? `blocked: kind ${event.kind} is not kept here` : undefined
      default:
        return undefined
    }
  }

  const place: Place & { hides: boolean; drops: boolean; forges: boolean; rewinds: number } = {
    url,
    number,
    hides: false,
    drops: false,
    forges: false,
    rewinds: 0,
    refusal: undefined,
    full: false,
    skewMs: 0,
    get isUp() {
      return relay !== undefined
    },
    get isStalled() {
      return stalled
    },
    get lies() {
      return lies
    },
    get saved() {
      return copies.length
    },
    async start() {
      if (relay) return
      store = await openStore()
      relay = await createRelay({
        store: options.alter?.(store) ?? store,
        verifier: await sharedVerifier(),
        clock: time.clock(() => place.skewMs),
        publicUrls: [url],
        search: false,
        policy: {
          write: (event, { keys }) => write(event, keys.length === 0),
          read: (_, { keys }) =>
            place.refusal === 'read' ? `${keys.length === 0 ? 'auth-required' : 'restricted'}: not you` : undefined,
          terms: { needsAuth: true },
        },
        onError: () => {},
      })
      port = Number(new URL(await relay.listen({ port: 0 })).port)
      await listen(true)
    },
    async stop() {
      if (!relay) return
      const ending = relay
      relay = undefined
      stalled = false
      await listen(false)
      await ending.close()
    },
    stall(on) {
      stalled = on
      for (const socket of sockets) on ? socket.pause() : socket.resume()
    },
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    lie(told) {
      lies = told
      place.hides ||= (told.withhold ?? 0) > 0
      place.drops ||= (told.drop ?? 0) > 0
      place.forges ||= (told.forge ?? 0) > 0
    },
    async save() {
      copies.push(memory ? memory.snapshot() : await place.log({}))
    },
    async rewind(back) {
      const at = Math.max(0, copies.length - 1 - back)
      const copy = copies[at]
      if (copy === undefined) return
      await place.stop()
      place.rewinds += 1
      // What was saved of a history that is undone is no past of the new one.
      copies.length = at + 1
      if ('journal' in copy) memory = await createMeshLog(copy)
      else {
        generation += 1
        const fresh = await openSqliteStore(folder(), {})
        await fresh.startEpoch(time.now() - 1, 0)
        if (copy.length > 0) await fresh.append(copy, time.now())
        await fresh.close()
      }
      await place.start()
    },
    async has(id) {
      return (await reading(inner => inner.seqsOf([id])))[0] !== undefined
    },
    everHad: id => ever.has(id),
    log: filter =>
      reading(async inner => {
        const parsed = parseFilter(filter as never, WIRE_LIMITS)
        if (!parsed.ok) throw new Error(parsed.error.text)
        const found: NostrEvent[] = []
        for (let after = 0; ; ) {
          const page = await inner.readLog({
            filters: [parsed.value],
            after,
            limit: PAGE,
            gone: false,
            keys: options.keys(),
            now: Math.floor(time.now() / 1000),
          })
          for (const row of page.entries) if (row.op === 'stored') found.push(JSON.parse(row.json) as NostrEvent)
          if (page.upTo <= after || page.upTo >= page.last) return found
          after = page.upTo
        }
      }),
    ever: kinds => [...ever.values()].filter(({ kind }) => kinds.includes(kind)),
    async close() {
      await place.stop()
    },
  }

  /** The log itself, whether the relay runs or not. */
  async function reading<T>(read: (store: Store) => Promise<T>): Promise<T> {
    if (memory) return read(memory.store)
    if (relay && store) return read(store)
    const closed = await openSqliteStore(folder(), {})
    try {
      return await read(closed)
    } finally {
      await closed.close()
    }
  }

  await place.start()
  return place
}
