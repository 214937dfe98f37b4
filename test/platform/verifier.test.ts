import { type NostrEvent, parseEvent } from 'posthorn/protocol'
import { afterAll, expect, test } from 'vitest'
import { seededRandom } from '#dist/platform/random.js'
import { nobleVerifier } from '#dist/platform/verifier.js'
import { createVerifierPool } from '#dist/platform/verifier-pool.js'
import { corrupt, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'

const pool = createVerifierPool(2)
afterAll(() => pool.close())

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

test('the pool agrees with the reference, in order, across chunks', async () => {
  const { events, expected } = mixture(testSeed('verifier mixture'))
  expect(await nobleVerifier.verify(events)).toEqual(expected)
  expect(await pool.verify(events)).toEqual(expected)
})

test('calls made together each get their own verdicts', async () => {
  const batches = [GOOD.slice(0, 1), GOOD.slice(0, 33), [], GOOD.slice(5, 10).map(event => corrupt(event, 'sig'))]
  const verdicts = await Promise.all(batches.map(batch => pool.verify(batch)))
  expect(verdicts.map(list => list.length)).toEqual([1, 33, 0, 5])
  expect(verdicts.map(list => list.every(Boolean))).toEqual([true, true, true, false])
  expect(verdicts[3]).toEqual(Array(5).fill(false))
})

test('frozen events of the parser cross the thread border', async () => {
  const parsed = parseEvent(GOOD[0])
  expect(await pool.verify(parsed.ok ? [parsed.value] : [])).toEqual([true])
})

test('a thread that dies takes its own job with it and nothing later', async () => {
  const one = createVerifierPool(1)
  // Not an event at all: the product never sends one, so nothing in the thread guards against it.
  await expect(one.verify([null as unknown as NostrEvent])).rejects.toThrow()
  expect(await one.verify(GOOD.slice(0, 2))).toEqual([true, true])
  await one.close()
})

test('after close it rejects, and what was under way rejects too', async () => {
  const one = createVerifierPool(1)
  const underWay = one.verify(GOOD)
  const outcome = underWay.then(
    () => 'resolved',
    () => 'rejected',
  )
  await one.close()
  expect(await outcome).toBe('rejected')
  await expect(one.verify(GOOD)).rejects.toThrow('closed')
})

test.each([0, -1, 1.5, Number.NaN])('%d threads verify nothing and are refused', threads => {
  expect(() => createVerifierPool(threads)).toThrow(RangeError)
})
