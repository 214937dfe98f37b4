import { createMemoryMailStore, type MailStore } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { inboxFilter } from '#dist/sdk/mail/inbox-feed.js'
import { corrupt, nowSeconds } from '../helpers/events.ts'
import { alice, bob, carol, eventually, memoryAgent, messageTo } from './agents.ts'
import { type Peer, scriptedRelay } from './scripted-relay.ts'

const EPOCH = '0000000000010000'
const NEXT_EPOCH = '0000000000020000'
type Filter = { since_seq: number; epoch?: string; limit: number }

/** The inbox's own REQ, as opposed to signs of life. */
const isInbox = (frame: unknown[]): boolean => frame[0] === 'REQ' && 'since_seq' in (frame[2] as object)
const sinceAsked = (heard: unknown[][]): [number, string | undefined][] =>
  heard.filter(isInbox).map(frame => [(frame[2] as Filter).since_seq, (frame[2] as Filter).epoch])
const positionIn = (store: MailStore, url: string): unknown =>
  store.positions({ relay: url, filter: `log ${JSON.stringify(inboxFilter(alice.pubkey))}` })[0]

/** Plays one page for the inbox: SEQ, the script's events, EOSE. */
function page(
  peer: Peer,
  frame: unknown[],
  events: [NostrEvent, number][],
  end: { seq: number; more?: boolean },
): void {
  const sub = frame[1] as string
  peer.send('SEQ', sub, (frame[2] as Filter).since_seq, EPOCH)
  for (const [event, seq] of events) peer.event(sub, event, seq)
  peer.send('EOSE', sub, [end.more ? 'more' : 'finish', `seq:${end.seq}`, `epoch:${EPOCH}`, 'scope:aa'])
}

test('suppression: a damaged copy does not make the genuine event of that id known', async () => {
  const genuine = messageTo(alice, bob, 'genuine')
  const relay = await scriptedRelay((peer, frame) => {
    if (isInbox(frame))
      page(
        peer,
        frame,
        [
          [{ ...genuine, content: 'forged' }, 1],
          [corrupt(genuine, 'sig'), 2],
          [genuine, 3],
        ],
        { seq: 3 },
      )
  })
  const agent = await memoryAgent(alice, relay.url)
  expect(await agent.sync()).toMatchObject({ complete: false, received: 1, new: 1, invalid: 2 })
  expect(agent.inbox().map(each => each.text)).toEqual(['genuine'])
})

test('poisoning: a forged event moves no position, a genuine one before it does', async () => {
  const store = createMemoryMailStore()
  const genuine = messageTo(alice, bob, 'one')
  const relay = await scriptedRelay((peer, frame) => {
    if (!isInbox(frame)) return
    const sub = frame[1] as string
    if (peer.number > 1) return page(peer, frame, [], { seq: 900 })
    page(peer, frame, [], { seq: 4 })
    peer.event(sub, genuine, 7)
    peer.event(sub, corrupt(messageTo(alice, bob, 'two'), 'sig'), 900)
    peer.send('EVENT', sub, { id: 'nonsense' }, 901)
    setTimeout(() => peer.socket.terminate(), 200)
  })
  const agent = await memoryAgent(alice, relay.url, { store, speed: 20 })
  await eventually('reconnected', () => sinceAsked(relay.heard).length === 2)
  expect(sinceAsked(relay.heard)).toEqual([
    [0, undefined],
    [7, EPOCH],
  ])
  expect(agent.inbox().map(each => each.text)).toEqual(['one'])
})

test('what was not asked for is not believed: another recipient, another kind', async () => {
  const relay = await scriptedRelay((peer, frame) => {
    if (!isInbox(frame)) return
    const note = bob.sign({ kind: 1, created_at: nowSeconds(), tags: [['p', alice.pubkey]] })
    page(
      peer,
      frame,
      [
        [messageTo(bob, carol, 'for bob'), 1],
        [note, 2],
      ],
      { seq: 2 },
    )
  })
  const agent = await memoryAgent(alice, relay.url)
  expect(await agent.sync()).toMatchObject({ new: 0, invalid: 2 })
})

test('a seq that does not ascend is a counted gap; the event is kept, its position is not', async () => {
  const store = createMemoryMailStore()
  const relay = await scriptedRelay((peer, frame) => {
    if (!isInbox(frame)) return
    page(
      peer,
      frame,
      [
        [messageTo(alice, bob, 'a'), 5],
        [messageTo(alice, bob, 'b'), 5],
        [messageTo(alice, bob, 'c'), 3],
      ],
      {
        seq: 6,
      },
    )
  })
  const agent = await memoryAgent(alice, relay.url, { store })
  expect(await agent.sync()).toMatchObject({ new: 3, gaps: 2, complete: false })
  expect(positionIn(store, relay.url)).toEqual({ epoch: EPOCH, seq: 6, scope: 'aa' })
  expect(agent.inbox().map(each => each.seq)).toEqual([5, undefined, undefined])
})

test('five forgeries drop the relay, and it is left alone for a minute', async () => {
  const forged = Array.from({ length: 12 }, (_, n): [NostrEvent, number] => [
    corrupt(messageTo(alice, bob, `${n}`), 'sig'),
    n + 1,
  ])
  const relay = await scriptedRelay((peer, frame) => {
    if (isInbox(frame)) page(peer, frame, forged, { seq: 12 })
  })
  const agent = await memoryAgent(alice, relay.url, { speed: 60 })
  const dropped = Date.now()
  await eventually('dropped', () => agent.status().relays[0]?.error !== undefined)
  expect(agent.status().relays[0]).toMatchObject({ state: 'offline', error: expect.stringContaining('invalid') })
  await eventually('back', () => relay.connections === 2)
  // 60 s at sixtyfold speed; the usual first wait would be at most 17 ms.
  expect(Date.now() - dropped).toBeGreaterThan(800)
})

test('pages: idle at `more`, asked again from its position, never from a count; an empty page is no end', async () => {
  const relay = await scriptedRelay((peer, frame) => {
    if (!isInbox(frame)) return
    const { since_seq } = frame[2] as Filter
    if (since_seq === 0) page(peer, frame, [[messageTo(alice, bob, 'first'), 4]], { seq: 40, more: true })
    else if (since_seq === 40) page(peer, frame, [], { seq: 80, more: true })
    else page(peer, frame, [[messageTo(alice, bob, 'last'), 81]], { seq: 90 })
  })
  const agent = await memoryAgent(alice, relay.url)
  expect(await agent.sync()).toMatchObject({ new: 2, complete: true })
  expect(sinceAsked(relay.heard)).toEqual([
    [0, undefined],
    [40, EPOCH],
    [80, EPOCH],
  ])
  const subs = relay.heard.filter(isInbox).map(frame => frame[1])
  expect(new Set(subs).size).toBe(3)
})

test('a page that makes no progress does not spin', async () => {
  const relay = await scriptedRelay((peer, frame) => {
    if (isInbox(frame)) page(peer, frame, [], { seq: (frame[2] as Filter).since_seq, more: true })
  })
  const agent = await memoryAgent(alice, relay.url)
  expect(await agent.sync({ maxMs: 300 })).toMatchObject({ complete: false, status: 'offline' })
  expect(relay.heard.filter(isInbox).length).toBe(1)
})

test('checkpoints move the position without matches', async () => {
  const store = createMemoryMailStore()
  const relay = await scriptedRelay((peer, frame) => {
    if (!isInbox(frame)) return
    page(peer, frame, [], { seq: 3 })
    peer.send('SEQ', frame[1], 77, EPOCH)
    peer.send('SEQ', frame[1], 50, EPOCH)
  })
  const agent = await memoryAgent(alice, relay.url, { store })
  await eventually('moved', () => agent.status().relays[0]?.position === 77)
  expect(positionIn(store, relay.url)).toEqual({ epoch: EPOCH, seq: 77, scope: 'aa' })
})

test('another scope: what the old eyes could not see is asked for from the start, and positions stay apart', async () => {
  const store = createMemoryMailStore()
  const hidden = messageTo(alice, bob, 'visible to scope bb only')
  const feed = { relay: '', filter: `log ${JSON.stringify(inboxFilter(alice.pubkey))}` }
  const relay = await scriptedRelay((peer, frame) => {
    if (!isInbox(frame)) return
    const since = (frame[2] as Filter).since_seq
    peer.send('SEQ', frame[1], since, EPOCH)
    if (since < 20) peer.event(frame[1] as string, hidden, 20)
    peer.send('EOSE', frame[1], ['finish', 'seq:60', `epoch:${EPOCH}`, 'scope:bb'])
  })
  store.record({ feed: { ...feed, relay: relay.url }, mail: [], position: { epoch: EPOCH, seq: 50, scope: 'aa' } })
  const agent = await memoryAgent(alice, relay.url, { store })
  expect(await agent.sync()).toMatchObject({ new: 1 })
  expect(sinceAsked(relay.heard).map(([since]) => since)).toEqual([50, 0])
  expect(store.positions({ ...feed, relay: relay.url })).toEqual([
    { epoch: EPOCH, seq: 60, scope: 'bb' },
    { epoch: EPOCH, seq: 50, scope: 'aa' },
  ])
})

test('an unknown cursor: the common position, then older epochs, then the start; what was acknowledged above is offered again', async () => {
  const store = createMemoryMailStore()
  const relay = await scriptedRelay((peer, frame) => {
    if (frame[0] === 'EVENT') return peer.send('OK', frame[1].id, true, 'seq: 31')
    if (!isInbox(frame)) return
    const { since_seq, epoch } = frame[2] as Filter
    if (epoch === NEXT_EPOCH) peer.send('CLOSED', frame[1], 'invalid: cursor-unknown common:0')
    else if (since_seq === 40) peer.send('CLOSED', frame[1], 'invalid: cursor-unknown common:30')
    else page(peer, frame, [], { seq: 30 })
  })
  const feed = { relay: relay.url, filter: `log ${JSON.stringify(inboxFilter(alice.pubkey))}` }
  store.record({ feed, mail: [], position: { epoch: EPOCH, seq: 40, scope: 'aa' } })
  store.record({ feed, mail: [], position: { epoch: NEXT_EPOCH, seq: 60, scope: 'aa' } })
  const [kept, lost] = ['kept', 'lost'].map(text => messageTo(bob, alice, text))
  for (const event of [kept, lost])
    if (event) store.enqueue({ id: event.id, to: bob.pubkey, event: JSON.stringify(event) })
  store.settle(
    [
      { id: kept?.id ?? '', state: 'stored', relay: relay.url, seq: 29, epoch: EPOCH },
      { id: lost?.id ?? '', state: 'stored', relay: relay.url, seq: 55, epoch: NEXT_EPOCH },
    ],
    Date.now(),
  )
  const agent = await memoryAgent(alice, relay.url, { store })
  await agent.sync()
  await eventually('offered', () => relay.heard.some(frame => frame[0] === 'EVENT'))
  expect(sinceAsked(relay.heard)).toEqual([
    [60, NEXT_EPOCH],
    [40, EPOCH],
    [30, EPOCH],
    [55, NEXT_EPOCH],
  ])
  await eventually('taken', () => store.copies(lost?.id ?? '')[0]?.seq === 31)
  expect(relay.heard.filter(frame => frame[0] === 'EVENT')).toEqual([['EVENT', lost]])
  expect(agent.delivery(lost?.id ?? '')).toMatchObject({ state: 'stored', seq: 31 })
})

test('an acknowledgement beyond the inbox position is checked against the relay’s history too', async () => {
  const store = createMemoryMailStore()
  const relay = await scriptedRelay((peer, frame) => {
    if (frame[0] === 'EVENT') return peer.send('OK', frame[1].id, true, 'seq: 21')
    if (!isInbox(frame)) return
    const { since_seq, epoch } = frame[2] as Filter
    if (epoch === EPOCH && since_seq > 20) return peer.send('CLOSED', frame[1], 'invalid: cursor-unknown common:20')
    peer.send('SEQ', frame[1], since_seq, NEXT_EPOCH)
    peer.send('EOSE', frame[1], ['finish', 'seq:20', `epoch:${NEXT_EPOCH}`])
  })
  const feed = { relay: relay.url, filter: `log ${JSON.stringify(inboxFilter(alice.pubkey))}` }
  store.record({ feed, mail: [], position: { epoch: EPOCH, seq: 10, scope: '' } })
  const event = messageTo(bob, alice, 'acknowledged, then lost by a restored backup')
  store.enqueue({ id: event.id, to: bob.pubkey, event: JSON.stringify(event) })
  store.settle([{ id: event.id, state: 'stored', relay: relay.url, seq: 25, epoch: EPOCH }], Date.now())
  const agent = await memoryAgent(alice, relay.url, { store })
  await eventually('offered again', () => relay.heard.some(frame => frame[0] === 'EVENT'))
  await eventually('stored again', () => {
    const delivery = agent.delivery(event.id)
    return delivery?.state === 'stored' && delivery.seq === 21
  })
})

test.each(['error: behind, wait', 'error: new-epoch, again', 'error: too slow, resume from seq 5'])(
  'CLOSED %j: asked again from the recorded position',
  async reason => {
    let closed = false
    const relay = await scriptedRelay((peer, frame) => {
      if (!isInbox(frame)) return
      page(peer, frame, [[messageTo(alice, bob, 'x'), (frame[2] as Filter).since_seq + 5]], { seq: 9 })
      if (!closed) peer.send('CLOSED', frame[1], reason)
      closed = true
    })
    const agent = await memoryAgent(alice, relay.url, { speed: 20 })
    await eventually('asked again', () => sinceAsked(relay.heard).length === 2)
    expect(sinceAsked(relay.heard)[1]).toEqual([9, EPOCH])
    expect(relay.connections).toBe(1)
    expect(agent.status().relays[0]?.mayMiss).toBe(false)
  },
)

test('outbox: unchanged until OK true; final refusals are told with their reason; the rest is tried again', async () => {
  const tries = new Map<string, number>()
  const relay = await scriptedRelay((peer, frame) => {
    if (isInbox(frame)) return page(peer, frame, [], { seq: 0 })
    if (frame[0] !== 'EVENT') return
    const { id, content } = frame[1] as NostrEvent
    const count = (tries.get(id) ?? 0) + 1
    tries.set(id, count)
    const answers: Record<string, string[]> = {
      retried: ['error: disk', 'rate-limited: slow', 'auth-required: later', ''],
      invalid: ['invalid: too old'],
      blocked: ['blocked: you'],
      restricted: ['restricted: members'],
      duplicate: ['duplicate: have it'],
    }
    const answer = answers[content]?.[count - 1] ?? ''
    // Silence, once, is a lost OK.
    if (content === 'silent' && count === 1) return
    peer.send('OK', id, answer === '', answer === '' ? 'seq: 3' : answer)
  })
  const agent = await memoryAgent(alice, relay.url, { speed: 20 })
  const send = (text: string) => agent.send('bob', text, { public: true })
  const ids = await Promise.all(['retried', 'silent', 'invalid', 'blocked', 'restricted', 'duplicate'].map(send))
  const results = await Promise.allSettled(ids.map(id => agent.stored(id, { timeout: 500_000 })))
  expect(results.map(each => each.status)).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'rejected',
    'rejected',
    'fulfilled',
  ])
  expect(agent.delivery(ids[2] ?? '')).toEqual({ state: 'refused', relay: relay.url, reason: 'invalid: too old' })
  expect(ids.map(id => tries.get(id))).toEqual([4, 2, 1, 1, 1, 1])
  const sent = relay.heard.filter(frame => frame[0] === 'EVENT' && (frame[1] as NostrEvent).id === ids[0])
  expect(new Set(sent.map(frame => JSON.stringify(frame))).size).toBe(1)
  expect(agent.status().queue).toBe(0)
})

test('at most 100 events are in flight', async () => {
  let held: [Peer, string][] = []
  const relay = await scriptedRelay((peer, frame) => {
    if (isInbox(frame)) return page(peer, frame, [], { seq: 0 })
    if (frame[0] === 'EVENT') held.push([peer, frame[1].id])
  })
  const agent = await memoryAgent(alice, relay.url)
  for (let n = 0; n < 130; n += 1) await agent.send('bob', `${n}`, { public: true })
  await eventually('window full', () => held.length === 100)
  const first = held
  held = []
  for (const [peer, id] of first) peer.send('OK', id, true, '')
  await eventually('the rest', () => held.length === 30)
  for (const [peer, id] of held) peer.send('OK', id, true, '')
  await eventually('empty', () => agent.status().queue === 0)
})
