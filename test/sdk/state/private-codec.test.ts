import { localSigner } from 'posthorn'
import { describe, expect, test } from 'vitest'
import { systemRandom } from '#dist/platform/random.js'
import { type OwnedCodecs, privateCodecs } from '#dist/sdk/state/owned/codec.js'
import { alice, bob } from '../agents.ts'

// What only its author can read, and only where it was written for: a relay that has the texts could else serve an old one as new.
const codecsOf = (secretKey: Uint8Array): OwnedCodecs => privateCodecs(localSigner(secretKey, systemRandom))
const own = codecsOf(alice.secretKey)
const place = { kind: 34_701, o: 'p', session: '00000000000000a1', n: 7, author: alice.pubkey }
const elsewhere: [string, Partial<typeof place>][] = [
  ['as a snapshot', { kind: 34_702 }],
  ['in another document', { o: 'q' }],
  ['in another session', { session: '00000000000000a2' }],
  ['under a later number', { n: 8 }],
  ['under a number that begins alike', { n: 71 }],
]

describe('what is sealed for one place', () => {
  test('opens there, for its author', async () => {
    const changes = new Map([['diary', 'a dull day']])
    const sealed = await own.delta.encode(changes, place)
    expect(sealed).not.toContain('dull')
    expect(await own.delta.decode(sealed, place)).toEqual(changes)
    const record = { base: '', entries: new Map([['diary', { session: place.session, n: 7, value: 'a dull day' }]]) }
    expect(await own.snapshot.decode(await own.snapshot.encode(record, place), place)).toEqual(record)
  })

  test.each(elsewhere)('does not open %s', async (_name, other) => {
    const decode = async (codec: 'delta' | 'snapshot') =>
      codec === 'delta'
        ? own.delta.decode(await own.delta.encode(new Map(), place), { ...place, ...other })
        : own.snapshot.decode(await own.snapshot.encode({ base: '', entries: new Map() }, place), {
            ...place,
            ...other,
          })
    await expect(decode('delta')).rejects.toThrow('another place')
    await expect(decode('snapshot')).rejects.toThrow('another place')
  })

  test('does not open for another key', async () => {
    const sealed = await own.delta.encode(new Map(), place)
    await expect((async () => codecsOf(bob.secretKey).delta.decode(sealed, place))()).rejects.toThrow()
  })
})
