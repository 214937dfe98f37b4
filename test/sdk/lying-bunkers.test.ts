import { nip44 } from 'nostr-tools'
import { remoteSigner } from 'posthorn'
import { type EventTemplate, encodeEvent, type NostrEvent } from 'posthorn/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { corrupt, nowSeconds, type Person, person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, memoryAgent } from './agents.ts'
import { type Peer, scriptedRelay } from './scripted-relay.ts'

const bunker = person('bunker of the frames')
const mallory = person('mallory of the frames')
const SECRET = 'the launch code is 0000'

interface Question {
  readonly id: string
  readonly method: string
  readonly params: readonly string[]
}
interface How {
  /** Who signs the answer. */
  readonly by?: Person
  readonly kind?: number
  /** Changes the signed answer before it is sent. */
  readonly bend?: (event: NostrEvent) => NostrEvent
}
/** Sends what the signer says of a question, as one frame. */
type Say = (body: unknown, how?: How) => void
/** False: it is answered as it should be. */
type Lie = (question: Question, say: Say, honest: () => unknown) => boolean

const keyTo = (by: Person, to: string) => nip44.getConversationKey(by.secretKey, to)

function honestly({ method, params: [first = '', second = ''] }: Question): unknown {
  if (method === 'connect') return 'ack'
  if (method === 'get_public_key') return alice.pubkey
  if (method === 'sign_event') return JSON.stringify(alice.sign(JSON.parse(first) as EventTemplate))
  if (method === 'nip44_encrypt') return nip44.encrypt(second, keyTo(alice, first))
  return nip44.decrypt(second, keyTo(alice, first))
}

/** A relay and the signer behind it in one, frame by frame. */
async function lyingBunker(lie: Lie, timeoutMs = 3_000) {
  let sub = ''
  const script = (peer: Peer, [verb, name, ...rest]: [string, unknown, ...unknown[]]) => {
    if (verb === 'REQ' && JSON.stringify(rest).includes('24133')) sub = String(name)
    if (verb === 'REQ') peer.send('EOSE', name)
    if (verb !== 'EVENT') return
    const event = name as NostrEvent
    peer.send('OK', event.id, true, '')
    const question = JSON.parse(nip44.decrypt(event.content, keyTo(bunker, event.pubkey))) as Question
    const say: Say = (body, { by = bunker, kind = 24_133, bend = (each: NostrEvent) => each } = {}) => {
      const content = nip44.encrypt(typeof body === 'string' ? body : JSON.stringify(body), keyTo(by, event.pubkey))
      const tags = [['p', event.pubkey]]
      const answer = bend(by.sign({ kind, created_at: nowSeconds(), content, tags }))
      peer.socket.send(`["EVENT",${JSON.stringify(sub)},${encodeEvent(answer)}]`)
    }
    if (!lie(question, say, () => honestly(question))) say({ id: question.id, result: honestly(question) })
  }
  const relay = await scriptedRelay(script as never)
  const signer = await remoteSigner({
    url: `bunker://${bunker.pubkey}?relay=${encodeURIComponent(relay.url)}`,
    timeoutMs,
  })
  onTestFinished(async () => signer.close?.())
  return signer
}

/** Answers one method with this in place of its result. */
const answering =
  (method: string, result: (honest: string, question: Question) => unknown): Lie =>
  (question, say, honest) => {
    if (question.method !== method) return false
    say({ id: question.id, result: result(String(honest()), question) })
    return true
  }

const template = { kind: 1, created_at: 1_700_000_000, tags: [['t', 'x']], content: 'mine' }
const signed = (change: (event: NostrEvent) => unknown) => (honest: string) =>
  JSON.stringify(change(JSON.parse(honest) as NostrEvent))
const asked = ({ params: [text = ''] }: Question) => JSON.parse(text) as EventTemplate

const SIGNATURES: Record<string, (honest: string, question: Question) => unknown> = {
  'by another key': (_, question) => JSON.stringify(mallory.sign(asked(question))),
  'over another text': (_, question) => JSON.stringify(alice.sign({ ...asked(question), content: 'yours' })),
  'over another kind': (_, question) => JSON.stringify(alice.sign({ ...asked(question), kind: 5 })),
  'over another time': (_, question) => JSON.stringify(alice.sign({ ...asked(question), created_at: 1 })),
  'over more tags': (_, question) => JSON.stringify(alice.sign({ ...asked(question), tags: [['p', bob.pubkey]] })),
  'with a damaged signature': signed(event => corrupt(event, 'sig')),
  'with a damaged id': signed(event => corrupt(event, 'id')),
  'under another name': signed(event => ({ ...event, pubkey: mallory.pubkey })),
  'with a short signature': signed(event => ({ ...event, sig: event.sig.slice(2) })),
  'in upper case': signed(event => ({ ...event, sig: event.sig.toUpperCase(), id: event.id.toUpperCase() })),
  'in a list': signed(event => [event]),
  'of nothing': () => '',
  'that is no JSON': honest => honest.slice(1),
  'that is no text': honest => JSON.parse(honest),
}

test.each(Object.entries(SIGNATURES))('a signature %s is not believed', async (_, result) => {
  const signer = await lyingBunker(answering('sign_event', result))
  await expect(async () => signer.sign(template)).rejects.toMatchObject({ code: 'signer-malformed' })
})

const SEALED: Record<string, (honest: string, question: Question) => unknown> = {
  'the text itself': (_, { params: [, text] }) => text,
  'the text in base64': (_, { params: [, text = ''] }) => Buffer.from(text).toString('base64'),
  'a shorter text': (_, { params: [to = ''] }) => nip44.encrypt('x', keyTo(alice, to)),
  'another version': honest =>
    Buffer.concat([Buffer.of(1), Buffer.from(honest, 'base64').subarray(1)]).toString('base64'),
  'its first half': honest => honest.slice(0, honest.length / 2),
  nothing: () => '',
  'a number': () => 7,
}

test.each(Object.entries(SEALED))(
  '%s in place of a sealed text is not believed, and no message of it is queued',
  async (_, result) => {
    const signer = await lyingBunker(answering('nip44_encrypt', result))
    const text = `${SECRET} `.repeat(20)
    await expect(async () => signer.encrypt(text, bob.pubkey)).rejects.toMatchObject({ code: 'signer-malformed' })
    await using relay = await startRelay()
    const agent = await memoryAgent(alice, relay.url, { host: { signer } as never })
    await expect(agent.send(bob.pubkey, text)).rejects.toMatchObject({ code: 'signer-malformed' })
    expect(agent.status().queue).toBe(0)
  },
)

test.each(['', 'abc', alice.pubkey.toUpperCase(), `npub1${'q'.repeat(58)}`, `${alice.pubkey}00`])(
  'a public key %j is not believed',
  async key => {
    await expect(lyingBunker(answering('get_public_key', () => key))).rejects.toMatchObject({
      code: 'signer-malformed',
    })
  },
)

/** What comes beside the honest answer, before it. */
const NOISE: Record<string, (question: Question, say: Say) => void> = {
  'by another key': ({ id }, say) => say({ id, result: '"wrong"' }, { by: mallory }),
  'of another kind': ({ id }, say) => say({ id, result: '"wrong"' }, { kind: 1 }),
  'that was forged': ({ id }, say) => say({ id, result: '"wrong"' }, { bend: event => corrupt(event, 'sig') }),
  'to another question': (_, say) => say({ id: 'f'.repeat(64), result: '"wrong"' }),
  'with a number as id': ({ id }, say) => say({ id: Number.parseInt(id, 16), result: '"wrong"' }),
  'that is no JSON': (_, say) => say('{"id":'),
  'that is a list': ({ id }, say) => say([id, 'wrong']),
  'with a prototype': ({ id }, say) => say(`{"__proto__":{"id":"${id}","result":"wrong"}}`),
}

test.each(Object.entries(NOISE))('an answer %s changes nothing: the genuine one is taken, once', async (_, noise) => {
  let said = 0
  const signer = await lyingBunker((question, say, honest) => {
    noise(question, say)
    for (let times = 0; times < 2; times += 1) say({ id: question.id, result: honest() })
    // After the answer it is too late for another one.
    say({ id: question.id, result: 'wrong' })
    said += 1
    return true
  })
  expect(await signer.sign(template)).toMatchObject({ content: 'mine', pubkey: alice.pubkey })
  expect(await signer.decrypt(await signer.encrypt('to bob', bob.pubkey), bob.pubkey)).toBe('to bob')
  expect(said).toBeGreaterThanOrEqual(4)
})

test('an answer that comes after its time is no answer to the next question', async () => {
  const late: (() => void)[] = []
  const signer = await lyingBunker((question, say, honest) => {
    if (question.method !== 'sign_event') return false
    for (const answer of late.splice(0)) answer()
    if (asked(question).content !== 'first') return false
    late.push(() => say({ id: question.id, result: honest() }))
    return true
  }, 500)
  await expect(async () => signer.sign({ ...template, content: 'first' })).rejects.toMatchObject({
    code: 'signer-unreachable',
  })
  // A busy machine may take longer than half a second for this one as well; it is never given the first one's event.
  const second = await Promise.resolve(signer.sign({ ...template, content: 'second' })).catch(
    (error: { code: string }) => error,
  )
  expect(second).toSatisfy(
    (got: { content?: string; code?: string }) => got.content === 'second' || got.code === 'signer-unreachable',
  )
})

test('the reason of a refusal is cut, and a refusal beside a result is a refusal', async () => {
  const signer = await lyingBunker(({ id, method }, say, honest) => {
    if (method === 'sign_event') say({ id, result: honest(), error: 'n'.repeat(5_000) })
    return method === 'sign_event'
  })
  const error = await Promise.resolve(signer.sign(template)).then(
    () => expect.unreachable(),
    (reason: Error & { code: string }) => reason,
  )
  expect(error.code).toBe('signer-refused')
  expect(error.message.length).toBeLessThan(300)
})
