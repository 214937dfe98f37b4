import {
  addressOf,
  defaultLimits,
  matchFilters,
  type NostrEvent,
  parseEvent,
  parseFilter,
  supersedes,
} from 'posthorn/protocol'
import { expect, it } from 'vitest'
import { alice, bob, eventually, memoryAgent } from '../agents.ts'
import { type Peer, scriptedRelay } from '../scripted-relay.ts'

/** NIP-01 and nothing else: newest first, live afterwards, no hints, no SEQ. */
function plainRelay() {
  const events = new Map<string, NostrEvent>()
  const subs = new Map<string, { peer: Peer; filter: Parameters<typeof matchFilters>[0][number] }>()
  const relay = scriptedRelay((peer, [verb, first, second]) => {
    if (verb === 'CLOSE') subs.delete(`${peer.number} ${first}`)
    if (verb === 'EVENT') {
      const event = parseEvent(first)
      if (!event.ok) return peer.send('OK', first.id, false, 'invalid: no event')
      const address = addressOf(event.value) ?? event.value.id
      const before = events.get(address)
      if (!before || supersedes(event.value, before)) events.set(address, event.value)
      peer.send('OK', event.value.id, true, '')
      for (const [name, { peer: to, filter }] of subs)
        if (matchFilters([filter], event.value)) to.event(name.split(' ')[1] ?? '', event.value)
    }
    if (verb !== 'REQ') return
    const { since_seq: _seq, epoch: _epoch, ...plain } = second
    const filter = parseFilter(plain, defaultLimits)
    if (!filter.ok) return peer.send('CLOSED', first, 'invalid: filter')
    const found = [...events.values()].filter(event => matchFilters([filter.value], event))
    const page = found.toSorted((a, b) => b.created_at - a.created_at).slice(0, plain.limit ?? 500)
    for (const event of page) peer.event(first, event)
    peer.send('EOSE', first)
    subs.set(`${peer.number} ${first}`, { peer, filter: filter.value })
  })
  return { relay, events }
}

it('a relay that speaks NIP-01 alone carries state: written, read by who comes late, and live', async () => {
  const { relay, events } = plainRelay()
  const { url } = await relay
  const owner = await memoryAgent(alice, url, { speed: 20 })
  const own = await owner.state.open()
  // Long enough for deltas, and often enough for a snapshot.
  await own.update(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`key${n}`, 'x'.repeat(60)])))
  expect(await own.flush(60_000)).toBe(true)
  await own.set('mood', 'curious')
  expect(await own.flush(60_000)).toBe(true)
  expect([...events.values()].filter(({ kind }) => kind === 34_701)).toHaveLength(2)
  const reader = await memoryAgent(bob, url, { speed: 20 })
  const view = await reader.openState(alice.pubkey)
  expect(await view.ready()).toBe(true)
  expect(view.get('mood')).toBe('curious')
  expect(view.status.behind).toBe(false)
  await own.set('mood', 'calm')
  await own.flush(60_000)
  await eventually('it is told', () => view.get('mood') === 'calm')
  expect(view.digest).toBe(own.view.digest)
})
