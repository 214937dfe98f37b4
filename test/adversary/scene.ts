import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encode, type NostrEvent } from 'posthorn/protocol'
import type { RelayOptions } from 'posthorn/relay'
import { expect } from 'vitest'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { connectRaw, type RawClient, type RawOptions } from './raw-client.ts'

/** The relay's public URL, as its configuration tells it. */
export const HOME = 'ws://relay.test'
export const ATTACKER = '203.0.113.66'
export const HONEST = '198.51.100.1'

export const alice = person('alice')
export const victim = person('victim')
export const mallory = person('mallory')

/** From an address of the internet, as a trusted proxy tells it. */
export const from = (address: string, options: RawOptions = {}): RawOptions => ({
  ...options,
  headers: { 'x-forwarded-for': address, ...options.headers },
})

export const publicRelay = (options: Omit<RelayOptions, 'data' | 'store'> = {}): Promise<RunningRelay> =>
  startRelay({ publicUrls: [HOME], trustedProxies: ['loopback'], ...options })

let serial = 0
/** A note that is like no other. */
export const note = (who: Person = alice): NostrEvent =>
  who.sign({ created_at: nowSeconds(), content: `flood ${serial++}` })

/** An honest subscriber and author from elsewhere; the result passes one note from one to the other. */
export async function honestTraffic(relay: RunningRelay): Promise<() => Promise<void>> {
  const reader = await connectRaw(relay.url, from(HONEST))
  const author = await connectRaw(relay.url, from(HONEST))
  reader.send(encode.req('live', { authors: [alice.pubkey] }))
  await reader.next('EOSE')
  return async () => {
    const event = note()
    author.send(encode.publish(event))
    expect((await author.next('OK'))[2]).toBe(true)
    expect(await reader.next('EVENT')).toMatchObject(['EVENT', 'live', { id: event.id }])
  }
}

/** Publishes and resolves to accepted and message. */
export async function publish(client: RawClient, event: NostrEvent): Promise<[accepted: unknown, message: unknown]> {
  client.send(encode.publish(event))
  const [, , accepted, message] = await client.next('OK')
  return [accepted, message]
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes that this process, relay and clients together, really holds. */
export function heldBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
