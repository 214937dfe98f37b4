import { createHash } from 'node:crypto'
import { type EventTemplate, type NostrEvent, parseEvent } from 'posthorn/protocol'
import { signSchnorr } from 'tiny-secp256k1'
import { afterAll, describe, expect, test } from 'vitest'
import { seededRandom } from '#dist/platform/random.js'
import { nobleVerifier } from '#dist/platform/verifier.js'
import { createLocalVerifier } from '#dist/platform/verifier-local.js'
import { openVerifierPool } from '#dist/platform/verifier-pool.js'
import { VerifierUnavailableError } from '#dist/platform/verifier-tier.js'
import { createYieldingVerifier } from '#dist/sdk/yielding-verifier.js'
import { corrupt, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { availableTiers } from './tiers.ts'

const available = await availableTiers()
const pools = new Map(
  await Promise.all(
    available.map(
      async setting =>
        [setting, await openVerifierPool({ setting, threads: tier => (tier === setting ? 2 : 1) })] as const,
    ),
  ),
)
afterAll(() => Promise.all([...pools.values()].map(pool => pool.close())))

const author = person('verified')
const GOOD = Array.from({ length: 40 }, (_, n) => author.sign({ content: `event ${n}` }))

/** More than three chunks of good and corrupted events in an order that the seed decides. */
function mixture(seed: number): { events: NostrEvent[]; expected: boolean[] } {
  const random = seededRandom(seed)
  const events: NostrEvent[] = []
  const expected: boolean[] = []
  for (let n = 0; n < 110; n += 1) {
    const [a = 0, b = 0, c = 0] = random.bytes(3)
    const good = GOOD[a % GOOD.length] ?? author.sign({})
    const damage = [undefined, 'id', 'pubkey', 'sig', 'content'][b % 5]
    expected.push(damage === undefined)
    if (damage === undefined) events.push(good)
    else if (damage === 'content') events.push({ ...good, content: 'changed' })
    else events.push(corrupt(good, damage as 'id' | 'pubkey' | 'sig', c % 64))
  }
  return { events, expected }
}

const { events: MIXTURE, expected: EXPECTED } = mixture(testSeed('verifier mixture'))

test('the reference', async () => {
  expect(await nobleVerifier.verify(MIXTURE)).toEqual(EXPECTED)
})

describe.each(available)('%s', tier => {
  const pool = pools.get(tier) ?? nobleVerifier

  test('says what it is', () => {
    expect(pool).toMatchObject({ tier, threads: 2, passedOver: [], library: expect.stringMatching(/secp|noble/) })
  })

  test('agrees with the reference, in order, across chunks', async () => {
    expect(await pool.verify(MIXTURE)).toEqual(EXPECTED)
  })

  test('calls made together each get their own verdicts', async () => {
    const batches = [GOOD.slice(0, 1), GOOD.slice(0, 33), [], GOOD.slice(5, 10).map(event => corrupt(event, 'sig'))]
    const verdicts = await Promise.all(batches.map(batch => pool.verify(batch)))
    expect(verdicts.map(list => list.length)).toEqual([1, 33, 0, 5])
    expect(verdicts.map(list => list.every(Boolean))).toEqual([true, true, true, false])
    expect(verdicts[3]).toEqual(Array(5).fill(false))
  })

  test('every field counts, and awkward text is no obstacle', async () => {
    const good = author.sign({
      content: '],"content":"\u0041 é 🙂 \u2028 "],[" \n',
      tags: [
        ['t', '],"content":"x'],
        ['e', ''],
        ['p', '"],["x"],"content":"'],
        ['json', '{"sig":"', '\\'],
      ],
    })
    const [tag] = good.tags
    const changed: NostrEvent[] = [
      { ...good, content: `${good.content} ` },
      { ...good, kind: 2 },
      { ...good, created_at: good.created_at + 1 },
      { ...good, tags: [...good.tags.slice(1), tag ?? []] },
      { ...good, tags: [] },
      { ...good, pubkey: person('another').pubkey },
      { ...good, sig: GOOD[0]?.sig ?? '' },
      { ...good, id: GOOD[0]?.id ?? '' },
    ]
    expect(await pool.verify([good, ...changed, good])).toEqual([true, ...changed.map(() => false), true])
  })

  test('both readings of control characters', async () => {
    const template = { kind: 1, created_at: 5, tags: [['t', 'a\u0001b']], content: '\u0000 \u001f \\u0002' }
    const [json, verbatim] = [author.sign(template), verbatimSigned(template)]
    expect(verbatim.id).not.toBe(json.id)
    const events = [json, verbatim, { ...verbatim, content: `${verbatim.content}\u0001` }]
    expect(await pool.verify(events)).toEqual([true, true, false])
  })

  test('what is no event is not valid, whatever its lengths', async () => {
    const [good] = GOOD
    if (good === undefined) throw new Error('no event')
    const malformed = [
      { ...good, id: good.id.slice(1) },
      { ...good, sig: `${good.sig}00` },
      { ...good, sig: '' },
      { ...good, pubkey: good.pubkey.toUpperCase() },
      { ...good, pubkey: `${good.pubkey.slice(0, 63)}g` },
      { ...good, kind: -1 },
      { ...good, created_at: 1.5 },
      { ...good, tags: null },
      { ...good, content: 5 },
      {},
    ] as NostrEvent[]
    expect(await pool.verify(malformed)).toEqual(malformed.map(() => false))
  })

  test('frozen events of the parser', async () => {
    const parsed = parseEvent(GOOD[0])
    expect(await pool.verify(parsed.ok ? [parsed.value] : [])).toEqual([true])
  })
})

/** Signed over control characters as they are, as a literal reading of NIP-01 has it. */
function verbatimSigned({ kind, created_at, tags, content }: EventTemplate): NostrEvent {
  const quoted = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  const list = (parts: readonly string[]) => `[${parts.join(',')}]`
  const idText = list([
    '0',
    quoted(author.pubkey),
    `${created_at}`,
    `${kind}`,
    list(tags.map(tag => list(tag.map(quoted)))),
    quoted(content),
  ])
  const id = createHash('sha256').update(idText).digest()
  const sig = Buffer.from(signSchnorr(id, author.secretKey, new Uint8Array(32))).toString('hex')
  return { id: id.toString('hex'), pubkey: author.pubkey, kind, created_at, tags, content, sig }
}

test('on the calling thread: the reference for a few, WebAssembly for many, the same verdicts', async () => {
  const local = createLocalVerifier()
  expect(await local.verify(MIXTURE.slice(0, 10))).toEqual(EXPECTED.slice(0, 10))
  expect(local.tier).toBe('noble')
  expect(await local.verify(MIXTURE)).toEqual(EXPECTED)
  expect(local.tier).toBe('wasm')
  expect(await local.verify([])).toEqual([])
})

test('a long batch lets others have their turn, and keeps its order', async () => {
  let breaths = 0
  const breathe = async () => {
    breaths += 1
  }
  const slow = createYieldingVerifier(breathe)
  expect(await slow.verify(MIXTURE.slice(0, 20))).toEqual(EXPECTED.slice(0, 20))
  expect([slow.tier, breaths]).toEqual(['noble', 2])
  const fast = createYieldingVerifier(breathe, createLocalVerifier(0))
  expect(await fast.verify(MIXTURE)).toEqual(EXPECTED)
  expect(fast.tier).toBe('wasm')
  expect(breaths).toBe(5)
})

const dying = { threads: 1, body: new URL('./dying-thread.mjs', import.meta.url) }

test('a thread that dies takes its own jobs with it and nothing later', async () => {
  const one = await openVerifierPool(dying)
  const fatal = author.sign({ content: 'die' })
  await expect(one.verify([fatal])).rejects.toThrow('died')
  expect(await one.verify(GOOD.slice(0, 2))).toEqual([true, true])
  const together = await Promise.allSettled([one.verify([fatal]), one.verify(GOOD)])
  expect(together.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await one.verify(GOOD.slice(0, 1))).toEqual([true])
  await one.close()
})

test('after close it rejects, and what was under way rejects too', async () => {
  const one = await openVerifierPool({ threads: 1 })
  const underWay = one.verify(GOOD)
  const outcome = underWay.then(
    () => 'resolved',
    () => 'rejected',
  )
  await one.close()
  expect(await outcome).toBe('rejected')
  await expect(one.verify(GOOD)).rejects.toThrow('closed')
})

test.each([0, -1, 1.5, Number.NaN])('%d threads verify nothing and are refused', async threads => {
  await expect(openVerifierPool({ threads })).rejects.toThrow(RangeError)
})

test('no such tier', async () => {
  await expect(openVerifierPool({ threads: 1, setting: 'quantum' as 'auto' })).rejects.toThrow(TypeError)
})

test('a tier that cannot be had here says why', async () => {
  const body = new URL('./unavailable-thread.mjs', import.meta.url)
  const failure = openVerifierPool({ threads: 1, setting: 'native', body })
  await expect(failure).rejects.toThrow(VerifierUnavailableError)
  await expect(failure).rejects.toMatchObject({ code: 'verifier-unavailable', message: 'no library' })
})
