import { bytesToHex, hexToBytes } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { createCurve } from '#dist/platform/curve.js'
import { seededRandom } from '#dist/platform/random.js'
import { defaultVerifierSetting, loadTier, VERIFIER_TIERS } from '#dist/platform/verifier-tier.js'
import { BIP340_VECTORS } from '../helpers/bip340-vectors.ts'
import { person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { availableTiers } from './tiers.ts'

const P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const hex32 = (value: bigint): string => value.toString(16).padStart(64, '0')

const available = await availableTiers()
const { curve: reference } = await loadTier('noble')
const author = person('curves')
const GOOD = Array.from({ length: 8 }, (_, n) => author.sign({ content: `curve ${n}` }))

describe.each(available)('%s', tier => {
  const loaded = loadTier(tier)
  const verify = async (sig: string, message: string, pubkey: string) =>
    (await loaded).curve.verify(hexToBytes(sig), hexToBytes(message), hexToBytes(pubkey))

  test('loads as itself', async () => {
    expect(await loaded).toMatchObject({ tier, passedOver: [] })
  })

  test.each(BIP340_VECTORS)('BIP-340 vector $index: $comment', async ({ signature, message, publicKey, valid }) => {
    expect(await verify(signature, message, publicKey)).toBe(valid)
  })

  // Each number of the signature and the key at and around the bounds of its range.
  const bounds = [0n, 1n, N - 1n, N, N + 1n, P - 1n, P, P + 1n, 2n ** 256n - 1n].map(hex32)
  test.each(bounds)('r, s, public key or message of %s', async value => {
    const [good] = GOOD
    if (good === undefined) throw new Error('no event')
    const s = good.sig.slice(64)
    expect(await verify(value + s, good.id, good.pubkey)).toBe(false)
    expect(await verify(good.sig.slice(0, 64) + value, good.id, good.pubkey)).toBe(false)
    expect(await verify(good.sig, good.id, value)).toBe(false)
    expect(await verify(good.sig, value, good.pubkey)).toBe(false)
  })

  test('other lengths are an error, never read past', async () => {
    const { curve } = await loaded
    const [sig, message, pubkey] = [new Uint8Array(64), new Uint8Array(32), new Uint8Array(32)]
    for (const length of [0, 1, 31, 33, 63, 64, 65]) {
      const other = new Uint8Array(length)
      if (length !== 64) expect(() => curve.verify(other, message, pubkey)).toThrow(RangeError)
      expect(() => curve.verify(sig, other, pubkey)).toThrow(RangeError)
      expect(() => curve.verify(sig, message, other)).toThrow(RangeError)
    }
  })

  test('agrees with the reference on damage of every byte and on noise', async () => {
    const random = seededRandom(testSeed(`curve ${tier}`))
    const { curve } = await loaded
    const agree = (sig: Uint8Array, message: Uint8Array, pubkey: Uint8Array, expected?: boolean) => {
      const verdict = curve.verify(sig, message, pubkey)
      const told = `${bytesToHex(sig)} ${bytesToHex(message)} ${bytesToHex(pubkey)}`
      expect([told, verdict]).toEqual([told, expected ?? reference.verify(sig, message, pubkey)])
    }
    for (const { sig, id, pubkey } of GOOD) agree(hexToBytes(sig), hexToBytes(id), hexToBytes(pubkey), true)
    // Every byte once: a change of one bit makes a signature wrong, so that the slow reference need not be asked.
    for (let at = 0; at < 128; at += 1) {
      const [pick = 0, bit = 0] = random.bytes(2)
      const { sig, id, pubkey } = GOOD[pick % GOOD.length] ?? author.sign({})
      const all = hexToBytes(sig + id + pubkey)
      all[at] = (all[at] ?? 0) ^ (1 << (bit % 8))
      agree(all.slice(0, 64), all.slice(64, 96), all.slice(96), false)
    }
    for (let n = 0; n < 20; n += 1) agree(random.bytes(64), random.bytes(32), random.bytes(32))
    for (let n = 0; n < 20; n += 1) agree(random.bytes(64), random.bytes(32), hexToBytes(author.pubkey))
  })
})

test.each([
  ['believes everything', () => true],
  ['believes nothing', () => false],
  ['looks at the signature only', (sig: Uint8Array) => sig[0] === 0x68 && sig[63] === 0x0a],
])('a library that %s is not used', (_, verify) => {
  expect(() => createCurve('a liar', verify)).toThrow('a liar judges known signatures wrongly')
})

test('auto takes the first tier that is here and says why no faster one', async () => {
  const { tier, passedOver } = await loadTier('auto')
  expect(tier).toBe(available[0])
  const faster = VERIFIER_TIERS.slice(0, VERIFIER_TIERS.indexOf(tier))
  expect(passedOver.map(why => why.split(':')[0])).toEqual(faster)
})

test('POSTHORN_VERIFIER names the tier where nobody chose', () => {
  const before = process.env['POSTHORN_VERIFIER']
  try {
    for (const setting of ['noble', 'auto'] as const) {
      process.env['POSTHORN_VERIFIER'] = setting
      expect(defaultVerifierSetting()).toBe(setting)
    }
    process.env['POSTHORN_VERIFIER'] = ''
    expect(defaultVerifierSetting()).toBe('auto')
    process.env['POSTHORN_VERIFIER'] = 'quantum'
    expect(defaultVerifierSetting).toThrow('POSTHORN_VERIFIER is auto, native, wasm, noble, got "quantum"')
  } finally {
    if (before === undefined) delete process.env['POSTHORN_VERIFIER']
    else process.env['POSTHORN_VERIFIER'] = before
  }
})
