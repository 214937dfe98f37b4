import { setTimeout as wait } from 'node:timers/promises'
import { createMemoryMailStore, type IncomingMessage } from 'posthorn'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Person } from '../helpers/events.ts'
import { person } from '../helpers/events.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { contactsOf, eventually, memoryAgent, messageTo } from './agents.ts'

let relay: RunningRelay
beforeAll(async () => {
  relay = await startRelay()
})
afterAll(() => relay[Symbol.asyncDispose]())

let pairs = 0
/** Two strangers to every other test, each other's contacts. */
function pair(): { anna: Person; ben: Person; contacts: ReturnType<typeof contactsOf> } {
  pairs += 1
  const anna = { ...person(`anna ${pairs}`), name: 'anna' }
  const ben = { ...person(`ben ${pairs}`), name: 'ben' }
  return { anna, ben, contacts: contactsOf(anna, ben) }
}

async function two(options: { speed?: number } = {}) {
  const { anna, ben, contacts } = pair()
  const a = await memoryAgent(anna, relay.url, { contacts, ...options })
  const b = await memoryAgent(ben, relay.url, { contacts, ...options })
  return { a, b, anna, ben, contacts }
}

test('ask and answer: sealed on the wire, correlated, named, in one conversation', async () => {
  const { a, b, ben } = await two()
  b.handle('request', ({ text, fromName }) => `${fromName} said ${text}`)
  const answer = await a.ask('ben', 'hello')
  expect(answer).toMatchObject({
    text: 'anna said hello',
    act: 'answer',
    fromName: 'ben',
    from: ben.pubkey,
    known: true,
  })
  expect(answer).toMatchObject({ private: true, seq: expect.any(Number), relay: relay.url })
  expect(Object.isFrozen(answer)).toBe(true)
  const [asked] = b.inbox()
  expect(asked).toMatchObject({ act: 'request', state: 'done', attempts: 1, id: answer.replyTo })
  expect(answer.root).toBe(asked?.id)
  const second = await b.send('anna', 'and more', { replyTo: answer.root ?? '' })
  await b.stored(second)
})

test('an answer to a public question is public; a sealed one stays sealed', async () => {
  const { a, b } = await two()
  b.handle('query', () => ({ sum: 3 }))
  expect(await a.ask('ben', '1+2', { act: 'query', public: true })).toMatchObject({
    private: false,
    text: '{"sum":3}',
    contentType: 'application/json',
  })
  expect(await a.ask('ben', '1+2', { act: 'query' })).toMatchObject({ private: true })
})

test('a throwing handler is tried three times, then the sender is told and the message set aside', async () => {
  const { a, b } = await two({ speed: 10 })
  let tries = 0
  b.handle('request', () => {
    tries += 1
    throw new Error(`no luck ${tries}`)
  })
  await expect(a.ask('ben', 'try', { timeout: 200_000 })).rejects.toMatchObject({
    code: 'failed',
    act: 'failure',
    message: expect.stringContaining('no luck 3'),
    id: b.inbox()[0]?.id ?? expect.any(String),
  })
  expect(b.inbox()[0]).toMatchObject({ state: 'set-aside', attempts: 3, error: 'no luck 3' })
})

test('a stuck handler meets its time limit and never holds up the other messages', async () => {
  const { a, b } = await two({ speed: 10 })
  let aborted = 0
  b.handle(
    'request',
    async ({ text, signal }) => {
      if (text !== 'stuck') return text
      signal.addEventListener('abort', () => {
        aborted += 1
      })
      return new Promise(() => {})
    },
    { timeoutMs: 2_000, maxAttempts: 2 },
  )
  const stuck = a.ask('ben', 'stuck', { timeout: 200_000 })
  const failed = expect(stuck).rejects.toMatchObject({ code: 'failed', message: expect.stringContaining('2000 ms') })
  expect((await a.ask('ben', 'next', { timeout: 200_000 })).text).toBe('next')
  await failed
  expect(aborted).toBe(2)
})

test('one at a time by default, as many as allowed otherwise', async () => {
  const { a, b } = await two()
  const most: Record<string, number> = {}
  const running: Record<string, number> = {}
  for (const [act, concurrency] of [
    ['one', 1],
    ['three', 3],
  ] as const)
    b.handle(
      act,
      async () => {
        running[act] = (running[act] ?? 0) + 1
        most[act] = Math.max(most[act] ?? 0, running[act])
        await wait(100)
        running[act] -= 1
        return 'ok'
      },
      { concurrency },
    )
  await Promise.all(['one', 'three'].flatMap(act => [1, 2, 3, 4, 5].map(() => a.ask('ben', 'x', { act }))))
  expect(most).toEqual({ one: 1, three: 3 })
})

test('an act nobody handles is answered not-understood; statements and replies are not', async () => {
  const { a, b } = await two({ speed: 10 })
  b.handle('request', () => 'ok')
  await a.send('ben', 'just so you know')
  await a.send('ben', 'an answer to nothing', { act: 'answer' })
  await expect(a.ask('ben', 'x', { act: 'dance', timeout: 200_000 })).rejects.toMatchObject({
    code: 'failed',
    act: 'not-understood',
    message: expect.stringContaining('request'),
  })
  expect(b.inbox().map(each => [each.act, each.state])).toEqual([
    ['inform', 'new'],
    ['answer', 'new'],
    ['dance', 'set-aside'],
  ])
  expect(a.inbox().map(each => each.act)).toEqual(['not-understood'])
})

test('replies are never answered automatically, not even by two agents that handle them', async () => {
  const { a, b } = await two()
  let answers = 0
  for (const agent of [a, b])
    for (const act of ['answer', 'failure', 'not-understood', 'refuse'])
      agent.handle(act, () => {
        answers += 1
        return 'thank you'
      })
  b.handle('request', () => 'answer')
  const id = await a.send('ben', 'x', { act: 'request' })
  await eventually('handled', () => answers === 1)
  await wait(200)
  expect(answers).toBe(1)
  expect(a.inbox().length + b.inbox().length).toBe(2)
  expect(a.delivery(id)?.state).toBe('done')
})

test('handlers run for contacts only, unless anyone is accepted; strangers are listed and counted', async () => {
  const { anna, ben } = pair()
  const a = await memoryAgent(anna, relay.url, { contacts: [] })
  const store = createMemoryMailStore()
  const wary = await memoryAgent(ben, relay.url, { store, contacts: [] })
  const ran: string[] = []
  wary.handle('request', ({ text }) => void ran.push(text))
  const id = await a.send(ben.pubkey, 'do it', { act: 'request' })
  await eventually('arrived', () => wary.inbox().length === 1)
  await wait(100)
  expect(ran).toEqual([])
  expect(wary.inbox()[0]).toMatchObject({ id, known: false, state: 'new' })
  expect(wary.status()).toMatchObject({ unread: 1, unknownSenders: 1 })
  await wary.close()
  const open = await memoryAgent(ben, relay.url, { store, contacts: [], accept: 'anyone' })
  open.handle('request', ({ text }) => void ran.push(text))
  await eventually('ran', () => ran.length === 1)
})

test('refuse rejects the question; another sender’s reply does not count; agree is not an answer', async () => {
  const { a, b, anna, contacts } = await two()
  const mallory = await memoryAgent(person(`mallory ${pairs}`), relay.url, { contacts })
  const got: IncomingMessage[] = []
  b.on('message', message => got.push(message))
  const question = a.ask('ben', 'will you?')
  const outcome = expect(question).rejects.toMatchObject({ code: 'refused', by: 'recipient' })
  await eventually('asked', () => got.length === 1)
  const replyTo = got[0]?.id ?? ''
  await mallory.stored(await mallory.send(anna.pubkey, 'I am ben', { act: 'answer', replyTo }))
  await b.stored(await b.send('anna', 'I will see', { act: 'agree', replyTo }))
  await b.send('anna', 'no', { act: 'refuse', replyTo })
  await outcome
  await expect(question).rejects.toMatchObject({ id: replyTo })
})

test('ask times out with its id, can be aborted, and the late answer still comes through replies(id)', async () => {
  const { anna, ben, contacts } = pair()
  const store = createMemoryMailStore()
  const a = await memoryAgent(anna, relay.url, { contacts, store })
  const error: { code: string; id: string } = await a.ask('ben', 'are you there?', { timeout: 50 }).catch(e => e)
  expect(error).toMatchObject({ code: 'timeout', id: expect.stringMatching(/^[0-9a-f]{64}$/) })
  const aborted = new AbortController()
  const pending = expect(a.ask('ben', 'never mind', { signal: aborted.signal })).rejects.toThrow('changed my mind')
  aborted.abort(new Error('changed my mind'))
  await pending
  await a.stored(error.id)
  await a.close()

  const b = await memoryAgent(ben, relay.url, { contacts })
  b.handle('request', ({ text }) => `late: ${text}`)
  await eventually('both answered', () => b.inbox().every(each => each.state === 'done') && b.status().queue === 0)

  const again = await memoryAgent(anna, relay.url, { contacts, store })
  for await (const reply of again.replies(error.id)) {
    expect(reply).toMatchObject({ text: 'late: are you there?', fromName: 'ben' })
    break
  }
})

test('replies() ends when the agent closes', async () => {
  const { a } = await two()
  const id = await a.send('ben', 'x')
  const all = (async () => {
    const texts: string[] = []
    for await (const reply of a.replies(id)) texts.push(reply.text)
    return texts
  })()
  await a.close()
  expect(await all).toEqual([])
  await expect(a.send('ben', 'x')).rejects.toMatchObject({ code: 'agent-closed' })
})

test('a message to oneself arrives; what cannot be decrypted is kept with its error', async () => {
  const { a, b, anna, ben } = await two()
  const heard: string[] = []
  a.on('message', ({ text }) => heard.push(text))
  await a.send(anna.pubkey, 'note to self')
  await eventually('arrived', () => heard.length === 1)
  expect(a.inbox()[0]).toMatchObject({ text: 'note to self', known: true })
  const { connect } = await import('posthorn')
  const client = await connect(relay.url)
  const broken = messageTo(ben, anna, 'A'.repeat(200))
  const sealed = anna.sign({ ...broken, tags: [...broken.tags, ['encrypted', 'nip44']] })
  expect(await client.publish(sealed)).toMatchObject({ accepted: true, seq: expect.any(Number) })
  expect(await client.count([{ ids: [sealed.id] }])).toBe(1)
  await client.close()
  await eventually('kept', () => b.inbox().length === 1)
  expect(b.inbox()[0]).toMatchObject({ text: '', error: expect.stringContaining('decrypt') })
})

test('reading by prefix marks read and consumes nothing', async () => {
  const { a, b } = await two()
  const id = await a.send('ben', 'read me')
  await eventually('arrived', () => b.inbox({ unread: true }).length === 1)
  expect(b.read(id.slice(0, 8))).toMatchObject({ id, read: true, text: 'read me' })
  expect([b.inbox().length, b.inbox({ unread: true }).length, b.status().unread]).toEqual([1, 0, 0])
  expect(() => b.read(id.slice(0, 7))).toThrow(expect.objectContaining({ code: 'ambiguous-id' }))
  expect(b.read('0'.repeat(64))).toBeUndefined()
  expect(b.inbox({ from: 'anna' }).length).toBe(1)
})
