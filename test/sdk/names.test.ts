import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { memoryShelf, NameLookupError, UnknownRecipientError } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import type { WebGet } from '#dist/platform/web-get.js'
import { getNode } from '#dist/platform/web-get-node.js'
import { readNames } from '#dist/sdk/names/ask-domain.js'
import { parseInternetName } from '#dist/sdk/names/internet-name.js'
import { createNameBook } from '#dist/sdk/names/name-book.js'
import { handClock } from '../helpers/hand-clock.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { namesJson, wellKnown } from '../helpers/well-known.ts'
import { alice, bob, carol, eventually, memoryAgent } from './agents.ts'

test.each([
  ['bob@example.com', 'bob@example.com', 'bob', 'example.com'],
  ['Bob.B_1-x@Sub.Example.COM', 'bob.b_1-x@sub.example.com', 'bob.b_1-x', 'sub.example.com'],
  ['_@example.com', 'example.com', '_', 'example.com'],
  ['example.com', 'example.com', '_', 'example.com'],
  ['bob@xn--bcher-kva.example', 'bob@xn--bcher-kva.example', 'bob', 'xn--bcher-kva.example'],
  ['bob@10.0.0.1', 'bob@10.0.0.1', 'bob', '10.0.0.1'],
  ['bob@localhost:8080', 'bob@localhost:8080', 'bob', 'localhost:8080'],
])('%s is an internet name', (text, name, local, host) => {
  expect(parseInternetName(text)).toEqual({ name, local, host })
})

test.each([
  'bob',
  'bob@',
  '@example.com',
  'a@b@example.com',
  'bob smith@example.com',
  'bob@example.com/path',
  'bob@example.com?x=1',
  'bob@example.com#x',
  'bob@user:secret@example.com',
  'bob@example.com:8080',
  'bob@example',
  'böb@example.com',
  'bob+tag@example.com',
  'bob%2f@example.com',
  '1.2.3.4',
  'v1.0',
  `${'x'.repeat(320)}@example.com`,
])('%s is none', text => {
  expect(parseInternetName(text)).toBeUndefined()
})

const KEY = alice.pubkey

test('what a domain says: names are own properties, keys are lowercase hex, relays are addresses, at most four', () => {
  const read = (value: unknown, local = 'bob') => readNames(JSON.stringify(value), local)
  expect(read({ names: { bob: KEY } })).toEqual({ pubkey: KEY, relays: [] })
  expect(read({ names: { bob: KEY }, relays: { [KEY]: ['wss://a', 7, 'x'.repeat(257), 'wss://b'] } })?.relays).toEqual([
    'wss://a',
    'wss://b',
  ])
  expect(read({ names: { bob: KEY }, relays: { [KEY]: Array(9).fill('wss://a') } })?.relays).toHaveLength(4)
  for (const relays of [{ [KEY]: 'wss://a' }, { [bob.pubkey]: ['wss://a'] }, [], 'wss://a', null])
    expect(read({ names: { bob: KEY }, relays })?.relays).toEqual([])
  expect(read({ names: { Bob: KEY } })).toBeUndefined()
  expect(read({ names: {} }, 'constructor')).toBeUndefined()
  expect(readNames('{"names":{"__proto__":{"bob":"x"}}}', 'bob')).toBeUndefined()
  for (const bad of [KEY.toUpperCase(), 'npub1xyz', KEY.slice(1), 7, {}, [KEY]])
    expect(() => read({ names: { bob: bad } }), JSON.stringify(bad)).toThrow('no public key')
  for (const text of ['', '<html>', '[]', 'null', '{"names":[]}', '{"names":null}', `{"bob":"${KEY}"}`])
    expect(() => readNames(text, 'bob'), text).toThrow('no list of names')
})

const OPEN = { publicOnly: false, maxBytes: 1_000, timeoutMs: 5_000 }
const PATH = '/.well-known/nostr.json?name=bob'

test('a redirect is not followed, and comes as what it is', async () => {
  const target = await wellKnown(namesJson({ bob: KEY }))
  const { host } = await wellKnown((_request, response) =>
    response.writeHead(302, { location: `http://${target.host}${PATH}` }).end(),
  )
  expect(await getNode(`http://${host}${PATH}`, OPEN)).toEqual({ status: 302, text: '', date: expect.any(String) })
  expect(target.asked).toEqual([])
})

test('an answer of the size allowed is taken, one byte more is not; nor one that never ends, breaks off or never comes', async () => {
  const sized = await wellKnown((_request, response) => response.end('x'.repeat(1_000)))
  const url = `http://${sized.host}/`
  expect((await getNode(url, OPEN)).text).toHaveLength(1_000)
  await expect(getNode(url, { ...OPEN, maxBytes: 999 })).rejects.toThrow('longer than 999 bytes')
  const endless = await wellKnown((_request, response) => {
    const more = () => void response.write('x'.repeat(500), () => setImmediate(more))
    more()
  })
  await expect(getNode(`http://${endless.host}/`, OPEN)).rejects.toThrow('longer than')
  const broken = await wellKnown((_request, response) => {
    response.writeHead(200, { 'content-length': 500 }).write('{')
    setImmediate(() => response.destroy())
  })
  await expect(getNode(`http://${broken.host}/`, OPEN)).rejects.toThrow()
  const silent = await wellKnown(() => {})
  await expect(getNode(`http://${silent.host}/`, { ...OPEN, timeoutMs: 50 })).rejects.toThrow('no answer in time')
})

test('nothing on this machine or a private network is asked where only the public internet may be', async () => {
  const { host, asked } = await wellKnown(namesJson({ bob: KEY }))
  const port = host.split(':')[1]
  for (const here of [
    host,
    `localhost:${port}`,
    `[::ffff:127.0.0.1]:${port}`,
    `127.1:${port}`,
    `0x7f000001:${port}`,
    '10.0.0.1',
  ])
    await expect(getNode(`http://${here}${PATH}`, { ...OPEN, publicOnly: true }), here).rejects.toThrow(
      'not on the public internet',
    )
  expect(asked).toEqual([])
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

test.skipIf(!hasOpenssl)('over TLS, with a certificate that the system trusts, and no other', async () => {
  const dir = tempDir()
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  spawnSync('openssl', ['req', '-x509', ...curve, '-nodes', '-keyout', key, '-out', cert, '-days', '2', ...subject])
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, namesJson({ bob: KEY }))
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}${PATH}`
  await expect(getNode(url, OPEN)).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  const module = new URL('../../dist/platform/web-get-node.js', import.meta.url).href
  const script = `import { getNode } from '${module}'; console.log((await getNode('${url}', ${JSON.stringify(OPEN)})).text)`
  const trusting = await new Promise<string>(resolve => {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: cert }
    // Not synchronously: the server is in this process.
    execFile(process.execPath, ['--input-type=module', '-e', script], { env }, (_error, stdout) => resolve(stdout))
  })
  expect(JSON.parse(trusting)).toEqual({ names: { bob: KEY } })
})

const nameOf = (text: string) => {
  const name = parseInternetName(text)
  if (name === undefined) throw new Error('no name')
  return name
}

test('a name is asked for once an hour; a domain that is away is believed in what it said, one that takes it back is not', async () => {
  const clock = handClock()
  const shelf = memoryShelf()
  const asked: string[] = []
  let answer: () => ReturnType<WebGet> = async () => ({ status: 200, text: JSON.stringify({ names: { bob: KEY } }) })
  const get: WebGet = url => {
    asked.push(url)
    return answer()
  }
  const open = () => createNameBook({ shelf, clock, get, allowPrivate: false })
  const book = open()
  const name = nameOf('bob@example.com')
  const [one, two] = await Promise.all([book.find(name), book.find(name)])
  expect([one.pubkey, two.pubkey]).toEqual([KEY, KEY])
  expect(asked).toEqual(['https://example.com/.well-known/nostr.json?name=bob'])
  clock.advance(3_599_999)
  await open().find(name)
  expect(asked).toHaveLength(1)
  clock.advance(1)
  answer = async () => {
    throw new Error('ENOTFOUND')
  }
  expect((await book.find(name)).pubkey).toBe(KEY)
  expect(asked).toHaveLength(2)
  for (const status of [302, 500, 403]) {
    answer = async () => ({ status, text: '' })
    expect((await book.find(name)).pubkey).toBe(KEY)
  }
  await expect(book.find(nameOf('eve@example.com'))).rejects.toMatchObject({ code: 'name-unreachable' })
  answer = async () => ({ status: 200, text: JSON.stringify({ names: { bob: bob.pubkey } }) })
  expect((await book.find(name)).pubkey).toBe(bob.pubkey)
  clock.advance(3_600_000)
  answer = async () => ({ status: 404, text: '' })
  await expect(book.find(name)).rejects.toMatchObject({ code: 'name-unknown' })
  answer = async () => ({ status: 500, text: '' })
  await expect(book.find(name)).rejects.toBeInstanceOf(NameLookupError)
})

test('a month without an answer is too long; a kept list that is damaged is asked for again; where nothing can be asked it is said', async () => {
  const clock = handClock()
  const shelf = memoryShelf()
  const get: WebGet = async () => ({ status: 200, text: JSON.stringify({ names: { bob: KEY } }) })
  const name = nameOf('bob@example.com')
  const base = { shelf, clock, allowPrivate: false }
  await createNameBook({ ...base, get }).find(name)
  const offline = createNameBook({ ...base, get: undefined })
  clock.advance(30 * 86_400_000 - 1)
  expect((await offline.find(name)).pubkey).toBe(KEY)
  clock.advance(1)
  await expect(offline.find(name)).rejects.toMatchObject({ code: 'name-unreachable' })
  for (const text of ['{', '[]', '{"v":1}', '{"v":1,"names":[7,{"name":"bob@example.com","pubkey":"x"}]}']) {
    shelf.write('names', text)
    expect((await createNameBook({ ...base, get }).find(name)).pubkey).toBe(KEY)
  }
})

test('sends to an internet name, at the relays that its domain names; contacts of that name come first', async () => {
  await using own = await startRelay()
  await using theirs = await startRelay()
  const domain = await wellKnown(namesJson({ alice: KEY, _: KEY }, { [KEY]: [theirs.url] }))
  const to = `alice@${domain.host}`
  const b = await memoryAgent(bob, own.url, { contacts: [{ name: 'friend.example', pubkey: carol.pubkey }] })
  const a = await memoryAgent(alice, theirs.url)
  const id = await b.send(to, 'found you')
  await eventually('it came', () => a.inbox().length === 1)
  expect(b.sent(id)?.to).toBe(KEY)
  expect(domain.asked).toEqual(['/.well-known/nostr.json?name=alice'])
  expect(await b.sendAll([to, KEY], 'once')).toHaveLength(1)
  expect(await b.contacts.find(domain.host.replace('127.0.0.1', '_@127.0.0.1'))).toEqual({
    pubkey: KEY,
    relays: [theirs.url],
  })
  expect((await b.contacts.find('friend.example')).pubkey).toBe(carol.pubkey)
  await expect(b.send(`nobody@${domain.host}`, 'x')).rejects.toMatchObject({ code: 'name-unknown' })
  expect(() => b.contacts.add('x', 'bob@example.com')).toThrow(UnknownRecipientError)
})

test('an agent of public relays asks nobody on this machine', async () => {
  await using relay = await startRelay()
  const domain = await wellKnown(namesJson({ alice: KEY }))
  const strict = await memoryAgent(bob, relay.url, { allowPrivate: false })
  await expect(strict.send(`alice@${domain.host}`, 'x')).rejects.toMatchObject({ code: 'name-unreachable' })
  await expect(strict.send('alice@localhost', 'x')).rejects.toMatchObject({ code: 'name-unreachable' })
  expect(domain.asked).toEqual([])
})
