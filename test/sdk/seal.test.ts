import { nip44 } from 'nostr-tools'
import type { Tag } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { systemRandom } from '#dist/platform/random.js'
import { localSigner } from '#dist/sdk/identity/local-signer.js'
import { draftMessage, readMessage } from '#dist/sdk/mail/message.js'
import { createSealer, MAX_SEALED_TEXT } from '#dist/sdk/mail/seal.js'
import { A_SECOND, person } from '../helpers/events.ts'

const alice = person('alice')
const bob = person('bob')
const carol = person('carol')
const sealerOf = (who: typeof alice) => createSealer(localSigner(who.secretKey, systemRandom))
/** With the key at hand nothing is waited for. */
function atOnce<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new Error('a local key answers at once')
  return value
}
const draftNow = (...args: Parameters<typeof draftMessage>) => atOnce(draftMessage(...args))
const readNow = (...args: Parameters<typeof readMessage>) => atOnce(readMessage(...args))
const draft = { to: bob.pubkey, text: 'secret plan', act: 'inform', public: false }
const origin = { relay: 'ws://r', seq: 3 }

test('sealed for the recipient: nobody else opens it, another NIP-44 implementation does', () => {
  const event = alice.sign(draftNow(draft, A_SECOND, sealerOf(alice)))
  expect(JSON.stringify(event)).not.toContain('secret plan')
  expect(readNow(event, origin, sealerOf(bob))).toMatchObject({ text: 'secret plan', private: true, seq: 3 })
  expect(nip44.decrypt(event.content, nip44.getConversationKey(bob.secretKey, alice.pubkey))).toBe('secret plan')
  expect(readNow(event, origin, sealerOf(carol))).toMatchObject({
    text: '',
    error: expect.stringContaining('decrypt'),
  })
})

test('the tags are those of the message kind', () => {
  const parent = { id: '1'.repeat(64), root: '2'.repeat(64) }
  const template = draftNow(
    { ...draft, parent, expires: 99, contentType: 'application/json' },
    A_SECOND,
    sealerOf(alice),
  )
  expect(template).toMatchObject({ kind: 4700, created_at: A_SECOND })
  expect(template.tags).toEqual([
    ['p', bob.pubkey],
    ['y', 'inform'],
    ['e', '2'.repeat(64), '', 'root'],
    ['e', '1'.repeat(64), '', 'reply'],
    ['v', '1'],
    ['m', 'application/json'],
    ['encrypted', 'nip44'],
    ['expiration', '99'],
  ])
  const read = readNow(alice.sign(template), origin, sealerOf(bob))
  expect(read).toMatchObject({ root: '2'.repeat(64), replyTo: '1'.repeat(64), deadline: 99, act: 'inform' })
})

test('an answer to the first message names it as root alone (NIP-10), and is read as a reply to it', () => {
  const template = draftNow({ ...draft, parent: { id: '1'.repeat(64) } }, A_SECOND, sealerOf(alice))
  expect(template.tags.filter((tag: Tag) => tag[0] === 'e')).toEqual([['e', '1'.repeat(64), '', 'root']])
  expect(readNow(alice.sign(template), origin, sealerOf(bob)).replyTo).toBe('1'.repeat(64))
})

test('public text that looks sealed stays what it is', () => {
  const looksSealed = atOnce(sealerOf(alice).seal('x', bob.pubkey))
  const event = alice.sign(draftNow({ ...draft, text: looksSealed, public: true }, A_SECOND, sealerOf(alice)))
  expect(readNow(event, origin, sealerOf(bob))).toMatchObject({ text: looksSealed, private: false })
})

test.each([0, 1, 32, MAX_SEALED_TEXT])('%i bytes travel', bytes => {
  const event = alice.sign(draftNow({ ...draft, text: 'x'.repeat(bytes) }, A_SECOND, sealerOf(alice)))
  expect(readNow(event, origin, sealerOf(bob)).text).toBe('x'.repeat(bytes))
})

test('one byte too many, counted in UTF-8, and a lone surrogate are refused before anything is stored', () => {
  const make =
    (text: string, isPublic = false) =>
    () =>
      draftNow({ ...draft, text, public: isPublic }, A_SECOND, sealerOf(alice))
  expect(make('x'.repeat(MAX_SEALED_TEXT + 1))).toThrow(expect.objectContaining({ code: 'message-too-large' }))
  expect(make('ö'.repeat(MAX_SEALED_TEXT / 2 + 1))).toThrow(expect.objectContaining({ code: 'message-too-large' }))
  expect(make('x'.repeat(49_152), true)).not.toThrow()
  expect(make('x'.repeat(49_153), true)).toThrow(expect.objectContaining({ code: 'message-too-large' }))
  expect(make('\ud800')).toThrow(expect.objectContaining({ code: 'message-malformed' }))
})

test.each([
  ['cut', (text: string) => text.slice(0, -8)],
  ['tampered', (text: string) => text.slice(0, 80) + (text[80] === 'A' ? 'B' : 'A') + text.slice(81)],
  ['unknown version', (text: string) => `#${text.slice(1)}`],
  ['not base64', () => '?'.repeat(200)],
  ['over the cap', () => 'A'.repeat(60_000)],
])('a payload that is %s is kept with an error', (_, damage) => {
  const template = draftNow(draft, A_SECOND, sealerOf(alice))
  const event = alice.sign({ ...template, content: damage(template.content) })
  expect(readNow(event, origin, sealerOf(bob))).toMatchObject({ text: '', error: expect.any(String) })
})

test('a key off the curve is no recipient', () => {
  expect(() => sealerOf(alice).seal('x', 'f'.repeat(64))).toThrow(
    expect.objectContaining({ code: 'unknown-recipient' }),
  )
})
