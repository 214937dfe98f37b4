import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { nip44 } from 'nostr-tools'
import { createNostrConnectURI } from 'nostr-tools/nip46'
import { connect, createProfile, handOver, openAgent, readProfile, remoteSigner, setProfileRelays } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { inProcess, json } from '../cli/posthorn.ts'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, memoryAgent } from './agents.ts'

type Answer = { readonly result?: string; readonly error?: string }
type Question = { readonly id: string; readonly method: string; readonly params: string[] }

const signerKey = person('bunker')
const mallory = person('mallory')
const SECRET = 's3cret'
const url = (...relays: string[]) =>
  `bunker://${signerKey.pubkey}?${relays.map(relay => `relay=${encodeURIComponent(relay)}`).join('&')}&secret=${SECRET}`

/** A bunker that holds Alice's key: what `override` leaves open it answers as it should. */
async function bunker(
  relay: string,
  override: (question: Question, answer: (by: Person, what: Answer) => void) => Answer | 'silent' | undefined = () =>
    undefined,
) {
  const asked: string[] = []
  const client = await connect(relay)
  onTestFinished(() => client.close())
  client.request([{ kinds: [24133], '#p': [signerKey.pubkey], limit: 0 }], {
    onEvent(event) {
      const sealing = nip44.getConversationKey(signerKey.secretKey, event.pubkey)
      const question: Question = JSON.parse(nip44.decrypt(event.content, sealing))
      const answer = (by: Person, what: Answer) => {
        const content = nip44.encrypt(
          JSON.stringify({ id: question.id, ...what }),
          nip44.getConversationKey(by.secretKey, event.pubkey),
        )
        const tags = [['p', event.pubkey]]
        void client.publish(by.sign({ kind: 24133, created_at: nowSeconds(), tags, content })).catch(() => {})
      }
      asked.push(question.method)
      const given = override(question, answer) ?? asAlice(question)
      if (given !== 'silent') answer(signerKey, given)
    },
  })
  return { asked, stop: () => client.close() }
}

function asAlice({ method, params: [first = '', second = ''] }: Question): Answer {
  const sealing = () => nip44.getConversationKey(alice.secretKey, first)
  switch (method) {
    case 'connect':
      return second === SECRET ? { result: 'ack' } : { error: 'wrong secret' }
    case 'get_public_key':
      return { result: alice.pubkey }
    case 'sign_event':
      return { result: JSON.stringify(alice.sign(JSON.parse(first))) }
    case 'nip44_encrypt':
      return { result: nip44.encrypt(second, sealing()) }
    case 'nip44_decrypt':
      return { result: nip44.decrypt(second, sealing()) }
    default:
      return { error: `no ${method} here` }
  }
}

const template = { kind: 1, created_at: 1, tags: [['t', 'x']], content: 'mine' }

test('an agent whose key is with a bunker asks and is answered, sealed; the bunker goes on after a restart of the relay', async () => {
  await using relay = await startRelay()
  const { asked } = await bunker(relay.url)
  const signer = await remoteSigner({ url: url(relay.url) })
  expect(signer.pubkey).toBe(alice.pubkey)
  const receiver = await memoryAgent(bob, relay.url)
  receiver.handle('request', ({ text }) => `read ${text}`)
  const sender = await memoryAgent(alice, relay.url, { host: { signer } })
  const { text, private: sealed } = await sender.ask('bob', 'hello')
  expect([text, sealed]).toEqual(['read hello', true])
  expect(new Set(asked)).toEqual(new Set(['connect', 'get_public_key', 'sign_event', 'nip44_encrypt', 'nip44_decrypt']))
  await relay.restart()
  await bunker(relay.url)
  expect(await signer.sign(template)).toMatchObject({ pubkey: alice.pubkey, content: 'mine' })
})

test('only the bunker’s own key is heard, and what it signs is checked', async () => {
  await using relay = await startRelay()
  await bunker(relay.url, ({ method, params: [first = ''] }, answer) => {
    if (method === 'get_public_key') answer(mallory, { result: mallory.pubkey })
    if (method !== 'sign_event') return undefined
    const asked = JSON.parse(first)
    return { result: JSON.stringify(asked.content === 'mine' ? mallory.sign(asked) : alice.sign(template)) }
  })
  const signer = await remoteSigner({ url: url(relay.url) })
  onTestFinished(() => signer.close?.())
  expect(signer.pubkey).toBe(alice.pubkey)
  await expect(signer.sign(template)).rejects.toMatchObject({ code: 'signer-malformed' })
  await expect(signer.sign({ ...template, content: 'other' })).rejects.toMatchObject({ code: 'signer-malformed' })
})

test('a refusal, a page to agree at, and silence', async () => {
  await using relay = await startRelay()
  const pages: string[] = []
  await bunker(relay.url, ({ method, params: [first = ''] }, answer) => {
    if (method === 'nip44_decrypt') return 'silent'
    if (method !== 'sign_event') return undefined
    if (first.includes('denied')) return { error: 'the user said no' }
    answer(signerKey, {
      result: 'auth_url',
      error: first.includes('script') ? 'javascript:1' : 'https://agree.test/1\u001b[2J',
    })
    setTimeout(() => answer(signerKey, asAlice({ id: '', method, params: [first] })), 50)
    return 'silent'
  })
  const signer = await remoteSigner({ url: url(relay.url), timeoutMs: 2_000, onAuthUrl: page => pages.push(page) })
  onTestFinished(() => signer.close?.())
  await expect(signer.sign({ ...template, content: 'denied' })).rejects.toMatchObject({
    code: 'signer-refused',
    message: expect.stringContaining('the user said no'),
  })
  expect(await signer.sign(template)).toMatchObject({ content: 'mine' })
  expect(pages).toEqual(['https://agree.test/1%1B[2J'])
  await expect(signer.sign({ ...template, content: 'script' })).rejects.toMatchObject({ code: 'signer-malformed' })
  await expect(signer.decrypt('x', bob.pubkey)).rejects.toMatchObject({ code: 'signer-unreachable' })
  await signer.close?.()
  await expect(signer.sign(template)).rejects.toMatchObject({ code: 'signer-unreachable' })
})

test('tokens that are none, and a relay that is not there', async () => {
  const key = signerKey.pubkey
  for (const bad of ['', 'https://x', `bunker://${key}`, `bunker://${key}?relay=http://x`, 'bunker://ab?relay=ws://x'])
    await expect(remoteSigner({ url: bad })).rejects.toMatchObject({ code: 'signer-malformed' })
  const nobody = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => nobody.once('listening', resolve))
  const { port } = nobody.address() as { port: number }
  await new Promise(resolve => nobody.close(resolve))
  const refused = remoteSigner({ url: url(`ws://127.0.0.1:${port}`), timeoutMs: 300 })
  await expect(refused).rejects.toMatchObject({
    code: 'signer-unreachable',
    message: expect.not.stringContaining(SECRET),
  })
})

test('a connection offered by the client: whoever read the secret becomes the signer, nobody else', async () => {
  await using relay = await startRelay()
  const shown: string[] = []
  const clientKey = person('client').secretKey
  const offered = remoteSigner({
    clientKey,
    permissions: ['sign_event:4700', 'nip44_encrypt'],
    offer: { relays: [relay.url], name: 'tester & co', onUrl: text => shown.push(text) },
  })
  await expect.poll(() => shown.length).toBe(1)
  const { host, searchParams } = new URL(shown[0]?.replace('nostrconnect:', 'http:') ?? '')
  expect(host).toBe(person('client').pubkey)
  expect(searchParams.getAll('relay')).toEqual([relay.url])
  expect(searchParams.get('perms')).toBe('sign_event:4700,nip44_encrypt')
  expect(searchParams.get('name')).toBe('tester & co')
  const { asked } = await bunker(relay.url)
  const client = await connect(relay.url)
  onTestFinished(() => client.close())
  const answerBy = async (by: Person, result: string) => {
    const sealing = nip44.getConversationKey(by.secretKey, host)
    const content = nip44.encrypt(JSON.stringify({ id: '1', result }), sealing)
    await client.publish(by.sign({ kind: 24133, created_at: nowSeconds(), tags: [['p', host]], content }))
  }
  await answerBy(mallory, 'ack')
  await answerBy(mallory, 'a guess')
  await answerBy(signerKey, searchParams.get('secret') ?? '')
  const signer = await offered
  onTestFinished(() => signer.close?.())
  expect([signer.pubkey, signer.at]).toEqual([alice.pubkey, { pubkey: signerKey.pubkey, relays: [relay.url] }])
  expect(await signer.sign(template)).toMatchObject({ pubkey: alice.pubkey, content: 'mine' })
  expect(asked).toEqual(['get_public_key', 'sign_event'])
  // The same text is what other clients make of the same fields.
  const theirs = createNostrConnectURI({
    clientPubkey: host,
    relays: [relay.url],
    secret: searchParams.get('secret') ?? '',
    perms: ['sign_event:4700', 'nip44_encrypt'],
    name: 'tester & co',
  })
  const fields = (text: string) => [...new URLSearchParams(text.split('?')[1])].sort()
  expect(fields(shown[0] ?? '')).toEqual(fields(theirs))
  await expect(remoteSigner({})).rejects.toThrow(TypeError)
})

test('a profile on disk whose key is with a bunker: let in once, opened without waiting, no secret kept', async () => {
  await using relay = await startRelay()
  const home = join(tempDir(), 'alice')
  const first = await bunker(relay.url)
  const opened = await openAgent({ home, relays: [relay.url], presence: false, signer: { url: url(relay.url) } })
  expect(opened.pubkey).toBe(alice.pubkey)
  const receiver = await memoryAgent(bob, relay.url)
  await opened.stored(await opened.send(receiver.npub, 'signed elsewhere'))
  await opened.close()
  expect(first.asked.filter(method => method === 'connect')).toHaveLength(1)
  const files = ['key', 'profile.json'].map(name => readFileSync(join(home, name), 'utf8'))
  expect(files.join()).not.toContain(SECRET)
  expect(JSON.parse(files[1] ?? '')).toMatchObject({ pubkey: alice.pubkey, signer: { pubkey: signerKey.pubkey } })
  expect(statSync(join(home, 'key')).mode & 0o777).toBe(0o600)
  setProfileRelays(home, [relay.url])
  expect(readProfile(home).signer).toEqual({ pubkey: signerKey.pubkey, relays: [relay.url] })

  // The bunker is away: what comes waits at the relay.
  await first.stop()
  await receiver.send(alice.pubkey, 'opened later')
  const again = await openAgent({ home, presence: false })
  onTestFinished(async () => void (await again.close()))
  expect(again.pubkey).toBe(alice.pubkey)
  const second = await bunker(relay.url)
  await expect.poll(() => again.inbox().map(({ text }) => text), { timeout: 20_000 }).toContain('opened later')
  // Beside it: signed through the same bunker, sent by the agent.
  const id = await handOver(home, receiver.npub, 'from beside')
  await expect.poll(() => receiver.inbox().find(mail => mail.id === id)?.text, { timeout: 20_000 }).toBe('from beside')
  expect(second.asked).not.toContain('connect')

  writeFileSync(join(home, 'profile.json'), JSON.stringify({ ...JSON.parse(files[1] ?? ''), signer: {} }))
  expect(() => readProfile(home)).toThrow(expect.objectContaining({ code: 'profile-malformed' }))
  const plain = join(tempDir(), 'plain')
  createProfile({ home: plain })
  await expect(openAgent({ home: plain, signer: { url: url(relay.url) } })).rejects.toMatchObject({
    code: 'profile-exists',
  })
})

test('posthorn init --signer and --nostrconnect; then a verb signs through the bunker', async () => {
  await using relay = await startRelay()
  await bunker(relay.url)
  const folder = tempDir()
  const env = { XDG_DATA_HOME: folder, HOME: folder }
  const file = join(folder, 'token')
  writeFileSync(file, `${url(relay.url)}\n`, { mode: 0o600 })
  const run = (...args: string[]) => inProcess(args, { env: { ...env, POSTHORN_SIGNER_FILE: file } })
  const made = await run('init', '--as', 'far', '--signer', '--relay', relay.url, '--json')
  expect(json(made)).toMatchObject({ created: true, pubkey: alice.pubkey, signer: { pubkey: signerKey.pubkey } })
  expect(made.stdout + made.stderr).not.toContain(SECRET)
  expect(await run('publish', '--as', 'far', '--kind', '1', 'signed far away')).toMatchObject({ code: 0 })
  expect((await run('init', '--as', 'near')).code).toBe(0)
  expect(await run('init', '--as', 'near', '--signer')).toMatchObject({ code: 2 })
  expect(await inProcess(['init', '--as', 'third', '--signer'], { env })).toMatchObject({ code: 2 })

  const shown: string[] = []
  const offered = inProcess(['init', '--as', 'other', '--nostrconnect', '--relay', relay.url], {
    env,
    onStdout: text => shown.push(text),
  })
  await expect.poll(() => shown.join(''), { timeout: 10_000 }).toContain('nostrconnect://')
  const { host, searchParams } = new URL(shown.join('').trim().replace('nostrconnect:', 'http:'))
  const client = await connect(relay.url)
  onTestFinished(() => client.close())
  const sealing = nip44.getConversationKey(signerKey.secretKey, host)
  const content = nip44.encrypt(JSON.stringify({ id: '1', result: searchParams.get('secret') }), sealing)
  await client.publish(signerKey.sign({ kind: 24133, created_at: nowSeconds(), tags: [['p', host]], content }))
  expect(await offered).toMatchObject({ code: 0, stdout: expect.stringContaining(alice.pubkey) })
})
