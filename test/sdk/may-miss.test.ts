import { createMemoryMailStore } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { inboxFilter } from '#dist/sdk/mail/inbox-feed.js'
import { corrupt, nowSeconds } from '../helpers/events.ts'
import { alice, bob, eventually, memoryAgent, messageTo } from './agents.ts'
import { type Peer, scriptedRelay } from './scripted-relay.ts'

type Filter = { since_seq?: number; since?: number; until?: number; limit?: number; ids?: string[] }
const DAY = 86_400

/** A relay of the ordinary kind: newest first, `since`, `until`, its own cap on a page, no idea of SEQ. */
function plainRelay(events: NostrEvent[], options: { refuses?: string; cap?: number; hints?: boolean } = {}) {
  const { cap = 500 } = options
  const live = new Map<Peer, string>()
  const answer = (peer: Peer, sub: string, filter: Filter) => {
    const found = events
      .filter(({ created_at }) => created_at >= (filter.since ?? 0) && created_at <= (filter.until ?? Infinity))
      .toSorted((a, b) => b.created_at - a.created_at)
    const page = found.slice(0, Math.min(cap, filter.limit ?? cap))
    for (const event of page) peer.event(sub, event)
    peer.send('EOSE', sub, ...(options.hints ? [[page.length < found.length ? 'more' : 'finish']] : []))
  }
  return {
    publish(event: NostrEvent) {
      events.push(event)
      for (const [peer, sub] of live) peer.event(sub, event)
    },
    relay: scriptedRelay((peer, frame) => {
      if (frame[0] === 'EVENT') return peer.send('OK', frame[1].id, true, '')
      if (frame[0] !== 'REQ') return
      const filter = frame[2] as Filter
      if (filter.ids) return peer.send('EOSE', frame[1])
      if (filter.since_seq !== undefined && options.refuses) return peer.send('CLOSED', frame[1], options.refuses)
      if (filter.until === undefined) live.set(peer, frame[1])
      answer(peer, frame[1], filter)
    }),
  }
}

const asked = (heard: unknown[][]): Filter[] =>
  heard.flatMap(frame => (frame[0] === 'REQ' ? [frame[2] as Filter] : [])).filter(filter => filter.since !== undefined)

test.each([
  ['ignores unknown filter fields', {}],
  ['refuses them as unsupported', { refuses: 'unsupported: filter field since_seq' }],
  ['refuses them as invalid', { refuses: 'invalid: unknown filter field' }],
  ['refuses without a prefix', { refuses: 'bad req' }],
])('a relay that %s: mail comes, once, oldest first, and status says may-miss', async (_, options) => {
  const now = nowSeconds()
  const events = [30, 20, 10].map(ago => messageTo(alice, bob, `${ago} s ago`, now - ago))
  const plain = plainRelay(events, options)
  const relay = await plain.relay
  const agent = await memoryAgent(alice, relay.url)
  expect(await agent.sync()).toMatchObject({ complete: true, new: 3, mayMiss: true })
  expect(agent.status().relays[0]).toMatchObject({ state: 'live', mayMiss: true })
  expect(agent.status().relays[0]).not.toHaveProperty('position')
  expect(agent.inbox().map(each => each.text)).toEqual(['30 s ago', '20 s ago', '10 s ago'])
  plain.publish(messageTo(alice, bob, 'live'))
  await eventually('live mail', () => agent.inbox().length === 4)
  expect(agent.inbox()[3]).not.toHaveProperty('seq')
  const id = await agent.send('bob', 'out')
  expect(await agent.stored(id)).toEqual({ state: 'stored', relay: relay.url, route: 'own-relays' })
})

test.each([true, false])('pages through more than the relay gives at once (NIP-67 hints: %s)', async hints => {
  const now = nowSeconds()
  // Several share a second, across page boundaries.
  const events = Array.from({ length: 23 }, (_, n) => messageTo(alice, bob, `${n}`, now - 100 + Math.floor(n / 3)))
  const relay = await plainRelay(events, { cap: 5, hints }).relay
  const agent = await memoryAgent(alice, relay.url)
  expect(await agent.sync()).toMatchObject({ complete: true, new: 23 })
})

test('the next connection looks three days back from the last seen, and knows what it has', async () => {
  const store = createMemoryMailStore()
  const now = nowSeconds()
  const events = [messageTo(alice, bob, 'seen', now - 50)]
  const relay = await plainRelay(events).relay
  const first = await memoryAgent(alice, relay.url, { store })
  await first.sync()
  await first.close()
  events.push(messageTo(alice, bob, 'back-dated by a day', now - DAY), messageTo(alice, bob, 'by four', now - 4 * DAY))
  const second = await memoryAgent(alice, relay.url, { store })
  expect(await second.sync()).toMatchObject({ new: 1, mayMiss: true })
  expect(asked(relay.heard).map(({ since }) => since)).toContain(now - 50 - 3 * DAY)
  expect(second.inbox().map(each => each.text)).toEqual(['seen', 'back-dated by a day'])
})

test('poisoning: neither a forged nor a genuine event from the future moves the time past now', async () => {
  const store = createMemoryMailStore()
  const now = nowSeconds()
  const future = now + 3_650 * DAY
  const events = [corrupt(messageTo(alice, bob, 'forged', future + 1), 'sig'), messageTo(alice, bob, 'signed', future)]
  const relay = await plainRelay(events).relay
  const first = await memoryAgent(alice, relay.url, { store })
  expect(await first.sync()).toMatchObject({ new: 1, invalid: 1 })
  const filter = `time ${JSON.stringify(inboxFilter(alice.pubkey))}`
  expect(store.positions({ relay: relay.url, filter })[0]?.seq).toBeLessThanOrEqual(nowSeconds())
  await first.close()
  const later = messageTo(alice, bob, 'later', now)
  events.push(later)
  const second = await memoryAgent(alice, relay.url, { store })
  await second.sync()
  expect(second.read(later.id)?.text).toBe('later')
  for (const { since } of asked(relay.heard)) expect(since).toBeLessThanOrEqual(nowSeconds() - 2 * DAY)
})

test('a relay that learns SEQ is read in log order from then on', async () => {
  let speaks = false
  const event = messageTo(alice, bob, 'old')
  const relay = await scriptedRelay((peer, frame) => {
    if (frame[0] !== 'REQ') return
    const filter = frame[2] as Filter
    if (!speaks) {
      peer.event(frame[1], event)
      peer.send('EOSE', frame[1], ['finish'])
      return
    }
    if (filter.since_seq === undefined) return
    peer.send('SEQ', frame[1], filter.since_seq, '0000000000010000')
    peer.event(frame[1], event, 1)
    peer.send('EOSE', frame[1], ['finish', 'seq:1', 'epoch:0000000000010000'])
  })
  const store = createMemoryMailStore()
  const first = await memoryAgent(alice, relay.url, { store })
  expect(await first.sync()).toMatchObject({ new: 1, mayMiss: true })
  await first.close()
  speaks = true
  const second = await memoryAgent(alice, relay.url, { store })
  expect(await second.sync()).toMatchObject({ new: 0, received: 1, mayMiss: false })
})
