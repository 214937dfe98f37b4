import { nip44 } from 'nostr-tools'
import type { EventTemplate } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { nip07Signer } from '#dist/sdk/browser/nip07-signer.js'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, memoryAgent } from './agents.ts'

/** An extension as users have them, that holds Alice's key. */
const extension = (more: object = {}) => ({
  getPublicKey: async () => alice.pubkey,
  signEvent: async (template: EventTemplate): Promise<object> => alice.sign(template),
  nip44: {
    encrypt: async (to: string, text: string) => nip44.encrypt(text, nip44.getConversationKey(alice.secretKey, to)),
    decrypt: async (from: string, payload: string) =>
      nip44.decrypt(payload, nip44.getConversationKey(alice.secretKey, from)),
  },
  ...more,
})

test('an agent whose key is in an extension asks and is answered, sealed', async () => {
  await using relay = await startRelay()
  const signer = await nip07Signer(extension())
  const receiver = await memoryAgent(bob, relay.url)
  receiver.handle('request', ({ text }) => `read ${text}`)
  const sender = await memoryAgent(alice, relay.url, { host: { signer } })
  const { text, private: sealed } = await sender.ask('bob', 'hello')
  expect([text, sealed]).toEqual(['read hello', true])
  await eventually('bob has it sealed', () =>
    receiver.inbox().every(mail => mail.private && mail.from === alice.pubkey),
  )
})

test('what an extension gives back is checked', async () => {
  const template = { kind: 1, created_at: 1, tags: [], content: 'mine' }
  const signing = async (more: object) => (await nip07Signer(extension(more))).sign(template)
  await expect(signing({ signEvent: async () => bob.sign(template) })).rejects.toMatchObject({
    code: 'signer-malformed',
  })
  const other = { ...template, content: 'another' }
  await expect(signing({ signEvent: async () => alice.sign(other) })).rejects.toMatchObject({
    code: 'signer-malformed',
  })
  const forged = async () => ({ ...alice.sign(template), sig: '0'.repeat(128) })
  await expect(signing({ signEvent: forged })).rejects.toMatchObject({ code: 'signer-malformed' })
  await expect(signing({ signEvent: async () => 'no' })).rejects.toMatchObject({ code: 'signer-malformed' })
  const denied = () => Promise.reject(new Error('user rejected'))
  await expect(signing({ signEvent: denied })).rejects.toMatchObject({ code: 'signer-refused' })
  await expect(nip07Signer(extension({ getPublicKey: async () => 'npub1' }))).rejects.toMatchObject({
    code: 'signer-malformed',
  })
})

test('without an extension, or one that cannot seal, it says so', async () => {
  await expect(nip07Signer(undefined)).rejects.toMatchObject({ code: 'signer-unreachable' })
  await expect(nip07Signer(extension({ nip44: undefined }))).rejects.toMatchObject({ code: 'signer-malformed' })
})
