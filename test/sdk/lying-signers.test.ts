import { randomBytes } from 'node:crypto'
import { nip44 } from 'nostr-tools'
import { localSigner, type Signer } from 'posthorn'
import { openDoc } from 'posthorn/doc'
import type { EventTemplate, NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { systemRandom } from '#dist/platform/random.js'
import { nip07Signer } from '#dist/sdk/browser/nip07-signer.js'
import { checkedSigner } from '#dist/sdk/identity/checked-signer.js'
import { nodeHost } from '#dist/sdk/node-host.js'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, memoryAgent } from './agents.ts'

const SECRET = 'the launch code is 0000'
/** Short texts, on both sides of each step of the padding, and texts of more than one byte a character. */
const TEXTS = [
  ...[1, 31, 32, 33, 64, 65, 256, 257, 320, 32_768, 65_535].map(n => 'x'.repeat(n)),
  '🦊'.repeat(40),
  '\u0000',
]

const honest = localSigner(alice.secretKey, systemRandom)
const clearBase64 = (text: string) => Buffer.from(text).toString('base64')
/** Version, and as many bytes as the text takes sealed, but for `more`. */
const payload = (text: string, { version = 2, more = 0 } = {}) => {
  const size = Buffer.from(honest.encrypt(text, bob.pubkey), 'base64').length + more
  return Buffer.concat([Buffer.of(version), randomBytes(size - 1)]).toString('base64')
}

/** Answers to `nip44_encrypt` that are no ciphertext of the text. */
const LIES: Record<string, (text: string) => unknown> = {
  'the text itself': text => text,
  'the text in base64': clearBase64,
  'the text behind a version byte': text => Buffer.concat([Buffer.of(2), Buffer.from(text)]).toString('base64'),
  nothing: () => '',
  undefined: () => undefined,
  'no text': text => ({ text }),
  'an array that has a length': text => Array.from({ length: payload(text).length }),
  'another version': text => payload(text, { version: 1 }),
  'a text that is longer': text => honest.encrypt(`${text}${text}${'y'.repeat(32)}`.slice(0, 65_535), bob.pubkey),
  'three bytes too many': text => payload(text, { more: 3 }),
  'three bytes too few': text => payload(text, { more: -3 }),
  base64url: text => payload(text).replace(/.$/, '-'),
  'padded with blanks': text => `${payload(text).slice(0, -2)}  `,
  'NIP-04': text => `${clearBase64(text)}?iv=${clearBase64('0123456789abcdef')}`,
}

const caught = (run: () => unknown) =>
  Promise.resolve()
    .then(run)
    .then(
      () => 'believed',
      (error: { code?: string }) => error.code,
    )

test.each(Object.entries(LIES))('a signer that answers %s where it should seal is not believed', async (name, lie) => {
  const signer = checkedSigner({ pubkey: alice.pubkey, sign: honest.sign, decrypt: honest.decrypt, encrypt: lie })
  // 65,535 bytes cannot be outdone, and are the same twice over.
  for (const text of TEXTS.filter(each => name !== 'a text that is longer' || each.length < 30_000))
    expect([text.length, await caught(() => signer.encrypt(text, bob.pubkey))]).toEqual([
      text.length,
      'signer-malformed',
    ])
})

test('what is really sealed is believed, whatever its length', async () => {
  const signer = checkedSigner({
    pubkey: alice.pubkey,
    sign: honest.sign,
    decrypt: honest.decrypt,
    encrypt: honest.encrypt,
  })
  const key = nip44.getConversationKey(bob.secretKey, alice.pubkey)
  for (const text of [...TEXTS, ...Array.from({ length: 700 }, (_, n) => 'ä'.repeat(n + 1))])
    expect(nip44.decrypt(await signer.encrypt(text, bob.pubkey), key)).toBe(text)
})

test('what a signer signs is what it was asked, by its own key; what it opens is text', async () => {
  const template = { kind: 1, created_at: 1, tags: [['t', 'x']], content: 'mine' }
  const signing = (sign: (template: EventTemplate) => unknown) =>
    caught(() => checkedSigner({ ...honest, pubkey: alice.pubkey, sign, close: async () => {} }).sign(template))
  expect(await signing(each => honest.sign(each))).toBe('believed')
  expect(await signing(each => honest.sign({ ...each, content: 'other' }))).toBe('signer-malformed')
  expect(await signing(each => honest.sign({ ...each, created_at: 2 }))).toBe('signer-malformed')
  expect(await signing(each => honest.sign({ ...each, kind: 2 }))).toBe('signer-malformed')
  expect(await signing(each => bob.sign(each))).toBe('signer-malformed')
  expect(await signing(each => ({ ...honest.sign(each), sig: '0'.repeat(128) }))).toBe('signer-malformed')
  expect(await signing(() => undefined)).toBe('signer-malformed')
  const mutating = (each: EventTemplate) => {
    Object.assign(each, { content: 'other' })
    return honest.sign(each)
  }
  expect(await signing(mutating)).toBe('signer-malformed')
  const opening = checkedSigner({ ...honest, pubkey: alice.pubkey, decrypt: () => ({ length: 3 }) })
  expect(await caught(() => opening.decrypt('x', bob.pubkey))).toBe('signer-malformed')
})

/** A dialler that notes every frame an agent sends. */
function watched() {
  const frames: string[] = []
  return {
    frames,
    dial: ((url, events, how) => {
      const socket = nodeHost.dial(url, events, how)
      const send = (text: string) => {
        frames.push(text)
        socket.send(text)
      }
      return new Proxy(socket, {
        get: (target, name) => (name === 'send' ? send : name === 'sendParts' ? undefined : Reflect.get(target, name)),
      })
    }) as typeof nodeHost.dial,
  }
}

const KINDS: Record<string, (encrypt: (text: string, to: string) => unknown) => Promise<Signer>> = {
  'of the program': async encrypt =>
    ({
      pubkey: alice.pubkey,
      sign: async each => honest.sign(each),
      decrypt: async (...args) => honest.decrypt(...args),
      encrypt,
    }) as Signer,
  'of an extension (NIP-07)': encrypt =>
    nip07Signer({
      getPublicKey: async () => alice.pubkey,
      signEvent: async (each: EventTemplate): Promise<NostrEvent> => honest.sign(each),
      nip44: {
        encrypt: async (to: string, text: string) => encrypt(text, to),
        decrypt: async (from: string, text: string) => honest.decrypt(text, from),
      },
    }),
}

test.each(Object.entries(KINDS))(
  'nothing in clear leaves an agent whose signer %s does not seal',
  async (_, signerOf) => {
    await using relay = await startRelay()
    const { frames, dial } = watched()
    const signer = await signerOf(async text => text)
    const agent = await memoryAgent(alice, relay.url, { presence: true, announce: true, host: { signer, dial } })
    const reader = await memoryAgent(bob, relay.url)
    expect((await agent.sync()).complete).toBe(true)

    const attempts = [
      agent.send('bob', SECRET),
      agent.send('bob', SECRET, { wrap: true }),
      agent.send('bob', SECRET, { wrap: 'chat', copy: true }),
      agent.send('bob', SECRET, { ephemeral: true }),
      agent.sendAll(['bob', 'alice'], SECRET),
      openDoc(agent, 'plan'),
    ]
    for (const attempt of attempts) expect(await caught(() => attempt)).not.toBe('believed')

    // Kept here, and told to none: the answer may be right the next time.
    await agent.state.private.set('code', SECRET)
    expect(await agent.state.private.flush(300)).toBe(false)
    const { status } = (await agent.state.private.open()).view
    expect(status).toMatchObject({ unwritten: 1 })
    expect(status.error).toContain('NIP-44')

    // A receipt with a reason answers a sealed message.
    const asked = await reader.send('alice', 'how?', { act: 'request' })
    await expect.poll(() => agent.inbox().length, { timeout: 15_000 }).toBe(1)
    expect(await caught(() => agent.mark(asked, 'failed', SECRET))).not.toBe('believed')
    await agent.close({ timeoutMs: 300 })

    expect(frames.length).toBeGreaterThan(0)
    expect(frames.filter(text => text.includes(SECRET) || text.includes(clearBase64(SECRET).slice(0, 16)))).toEqual([])
  },
)
