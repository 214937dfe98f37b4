import { createMemoryMailStore } from 'posthorn'
import { type NostrEvent, parseEvent, verifyEvent } from 'posthorn/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { corrupt, nowSeconds } from '../helpers/events.ts'
import { alice, bob, eventually, memoryAgent, messageTo } from './agents.ts'
import { type Peer, scriptedRelay } from './scripted-relay.ts'

// Three mistakes that shipped in Nostr client libraries. Each test shows that a client written the obvious way makes it, and that ours does not.

const EPOCH = '0000000000010000'
const TEN_YEARS = 315_360_000

/** A relay that may or may not know log order; `events` in the order they are served. */
function relayWith(events: () => NostrEvent[], speaksSeq = true) {
  return scriptedRelay((peer: Peer, frame) => {
    if (frame[0] === 'EVENT') return peer.send('OK', frame[1].id, true, '')
    if (frame[0] !== 'REQ') return
    if (frame[2].ids) return peer.send('EOSE', frame[1])
    const filter = frame[2] as { since_seq?: number; since?: number; until?: number }
    const inLog = speaksSeq && filter.since_seq !== undefined
    const served = events().flatMap((event, index) =>
      inLog && index < (filter.since_seq ?? 0) ? [] : [{ event, index }],
    )
    if (inLog) peer.send('SEQ', frame[1], filter.since_seq, EPOCH)
    for (const { event, index } of served) {
      const outside = event.created_at < (filter.since ?? 0) || event.created_at > (filter.until ?? Infinity)
      if (inLog) peer.event(frame[1], event, index + 1)
      else if (!outside) peer.event(frame[1], event)
    }
    peer.send('EOSE', frame[1], inLog ? ['finish', `seq:${events().length}`, `epoch:${EPOCH}`] : ['finish'])
  })
}

/** The obvious client: remembers ids and times as events come in, then checks the signature. */
function naiveClient(urls: readonly string[], since?: number) {
  const seen = new Set<string>()
  const delivered: string[] = []
  let newest = since ?? 0
  let ended = 0
  for (const url of urls) {
    const socket = new WebSocket(url)
    onTestFinished(() => socket.terminate())
    const filter = { kinds: [4700], '#p': [alice.pubkey], ...(since === undefined ? {} : { since }) }
    socket.on('open', () => socket.send(JSON.stringify(['REQ', 'naive', filter])))
    socket.on('message', data => {
      const [type, , event] = JSON.parse(String(data)) as [string, string, NostrEvent]
      if (type === 'EOSE') ended += 1
      if (type !== 'EVENT' || seen.has(event.id)) return
      seen.add(event.id)
      newest = Math.max(newest, event.created_at)
      if (verifyEvent(event)) delivered.push(event.content)
    })
  }
  return {
    delivered,
    done: () => eventually('all answered', () => ended === urls.length),
    /** Where it asks from next time. */
    get since() {
      return newest + 1
    },
  }
}

test('a verdict kept on the object: a tampered copy of a verified event does not pass', () => {
  const VERIFIED = Symbol('verified')
  type Marked = NostrEvent & { [VERIFIED]?: boolean }
  const naiveVerify = (event: Marked): boolean => {
    event[VERIFIED] ??= verifyEvent(event)
    return event[VERIFIED]
  }
  const event: Marked = { ...messageTo(alice, bob, 'pay Bob 1') }
  expect(naiveVerify(event)).toBe(true)
  expect(naiveVerify({ ...event, content: 'pay Mallory 1000' })).toBe(true)

  const parsed = parseEvent({ ...messageTo(alice, bob, 'pay Bob 1'), [VERIFIED]: true, verified: true })
  if (!parsed.ok) throw new Error(parsed.error)
  expect(verifyEvent(parsed.value)).toBe(true)
  expect(verifyEvent({ ...parsed.value, content: 'pay Mallory 1000' })).toBe(false)
  expect(Reflect.ownKeys(parsed.value).toSorted()).toEqual([
    'content',
    'created_at',
    'id',
    'kind',
    'pubkey',
    'sig',
    'tags',
  ])
  expect(() => Object.assign(parsed.value, { content: 'changed in place' })).toThrow(TypeError)
})

test('suppression: a damaged copy that comes first does not hide the genuine event from another relay', async () => {
  const genuine = messageTo(alice, bob, 'genuine')
  const liar = await relayWith(() => [{ ...genuine, content: 'damaged' }])
  const honest = await scriptedRelay((peer, frame) => {
    if (frame[0] !== 'REQ' || frame[2].ids) return
    // The attacker is the faster one.
    setTimeout(() => {
      if (frame[2].since_seq !== undefined) peer.send('SEQ', frame[1], frame[2].since_seq, EPOCH)
      peer.event(frame[1], genuine, ...(frame[2].since_seq === undefined ? [] : [1]))
      peer.send('EOSE', frame[1], ['finish', 'seq:1', `epoch:${EPOCH}`])
    }, 200)
  })
  const naive = naiveClient([liar.url, honest.url])
  await naive.done()
  expect(naive.delivered).toEqual([])

  const agent = await memoryAgent(alice, [liar.url, honest.url])
  await eventually('genuine', () => agent.inbox().length === 1)
  expect(agent.inbox()[0]).toMatchObject({ text: 'genuine', relay: honest.url })
})

test.each([true, false])(
  'resume poisoning: a forged date does not move where we ask from (log order: %s)',
  async speaksSeq => {
    const now = nowSeconds()
    const events = [
      corrupt(messageTo(alice, bob, 'forged', now + TEN_YEARS), 'sig'),
      messageTo(alice, bob, 'first', now),
    ]
    const relay = await relayWith(() => events, speaksSeq)
    const first = naiveClient([relay.url])
    await first.done()
    expect(first.delivered).toEqual(['first'])

    const store = createMemoryMailStore()
    const before = await memoryAgent(alice, relay.url, { store })
    await before.sync()
    expect(before.inbox().map(({ text }) => text)).toEqual(['first'])
    await before.close()

    events.push(messageTo(alice, bob, 'second', now + 1))
    const second = naiveClient([relay.url], first.since)
    await second.done()
    expect(second.delivered).toEqual([])
    const after = await memoryAgent(alice, relay.url, { store })
    await after.sync()
    expect(after.inbox().map(({ text }) => text)).toEqual(['first', 'second'])
  },
)
