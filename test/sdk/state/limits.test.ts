import { type AgentState, type Json, localSigner } from 'posthorn'
import { testMesh } from 'posthorn/testing'
import { expect, test } from 'vitest'
import { seededRandom } from '#dist/platform/random.js'
import { decodeRecord, encodeRecord, MAX_KEYS, privateCodecs, publicCodecs } from '#dist/sdk/state/owned/codec.js'
import { recordOf } from '#dist/sdk/state/owned/record.js'
import { MAX_RECORD_BYTES, SEALED, weightOf } from '#dist/sdk/state/owned/weight.js'
import { alice } from '../agents.ts'
import { passing } from './passing.ts'

const big = (n: number) => `${n}`.padEnd(16_000, 'x')
const code = (run: Promise<unknown>) =>
  run.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )

/** Sets one key after the other until it is refused, with a flush each where `flush` says so. Returns how many were taken. */
async function fill(state: AgentState, value: (n: number) => Json, flush?: () => Promise<unknown>): Promise<number> {
  for (let n = 0; n < 2_000; n += 1) {
    const said = await code(state.set(`k${n}`, value(n)))
    if (said !== 'done') {
      expect(said).toBe('state-too-large')
      return n
    }
    await flush?.()
  }
  throw new Error('it never was full')
}

test('a record that is full takes whatever makes it smaller, and has room again', async () => {
  const on = await testMesh({ seed: 31, keys: 'stand-in' })
  const [ada, bob] = [await on.agent('ada'), await on.agent('bob')]
  const count = await fill(ada.state, big, () => passing(on, ada.state.flush()))
  expect(count).toBeGreaterThan(75)
  const view = await bob.openState('ada')
  await on.advance(10_000)
  expect(view.keys().length).toBe(count)
  expect(await code(ada.state.set('one more', big(0)))).toBe('state-too-large')
  expect(await code(ada.state.set('k0', 'short'))).toBe('done')
  expect(await code(ada.state.delete('k1'))).toBe('done')
  expect(await passing(on, ada.state.flush())).toBe(true)
  await on.advance(10_000)
  expect([view.get('k0'), view.get('k1'), view.keys().length]).toEqual(['short', undefined, count - 1])
  expect(await code(ada.state.set('one more', big(0)))).toBe('done')
  expect(await passing(on, ada.state.flush())).toBe(true)
  await on.advance(10_000)
  expect(view.get('one more')).toBe(big(0))
  await on.close()
})

test('many at once are refused at the call where the limit is, and all that were taken arrive', async () => {
  const on = await testMesh({ seed: 32, keys: 'stand-in' })
  const [ada, bob] = [await on.agent('ada'), await on.agent('bob')]
  const said = await Promise.all(Array.from({ length: 400 }, (_, n) => code(ada.state.set(`k${n}`, big(n)))))
  const taken = said.filter(each => each === 'done').length
  expect(said.filter(each => each !== 'done')).toEqual(Array(400 - taken).fill('state-too-large'))
  expect(taken).toBeGreaterThan(75)
  expect(await passing(on, ada.state.flush(20_000))).toBe(true)
  const view = await bob.openState('ada')
  await on.advance(10_000)
  expect(view.keys().length).toBe(taken)
  await on.close()
})

test('the limit is in bytes as they travel: at it a value is taken, at one byte more it is not', async () => {
  for (const character of ['x', '🦊', '"', '\n', 'ü']) {
    const on = await testMesh({ seed: 33, keys: 'stand-in' })
    const ada = await on.agent('ada')
    const value = (bytes: number) => {
      const one = Buffer.byteLength(JSON.stringify(character)) - 2
      const text = character.repeat(Math.floor((bytes - 2) / one))
      return text + 'y'.repeat(bytes - 2 - (Buffer.byteLength(JSON.stringify(text)) - 2))
    }
    let used = 0
    let n = 0
    for (; ; n += 1) {
      const weight = weightOf(`k${n}`, value(16_000))
      if (used + weight > MAX_RECORD_BYTES) break
      used += weight
      await ada.state.set(`k${n}`, value(16_000))
    }
    const left = MAX_RECORD_BYTES - used - weightOf(`k${n}`, 'ab') + 4
    expect(await code(ada.state.set(`k${n}`, value(left + 1)))).toBe('state-too-large')
    expect(await code(ada.state.set(`k${n}`, value(left)))).toBe('done')
    // What is escaped most has to fit into the pieces of a snapshot too.
    if (character === '"') expect(await passing(on, ada.state.flush(20_000))).toBe(true)
    await on.kill('ada')
    await on.close()
  }
})

test('what a record weighs is never less than what it takes, and what sealing makes of it is within the limit', async () => {
  const random = seededRandom(7)
  const texts = ['x', '🦊', '"\\', '\u0001', 'ü\n']
  for (const size of [1, 40, 3_000, 15_000]) {
    const entries = Array.from({ length: Math.min(400, Math.floor(1_000_000 / size)) }, (_, n) => {
      const text = texts[n % texts.length] ?? ''
      return [`key${n}${text}`, text.repeat(Math.ceil(size / Buffer.byteLength(text)))] as const
    })
    const record = {
      base: 'f'.repeat(16),
      entries: new Map(
        entries.map(([key, value], n) => [key, { session: `${n}`.padStart(16, '0'), n: 2 ** 53 - 1 - n, value }]),
      ),
    }
    const weight = entries.reduce((sum, [key, value]) => sum + weightOf(key, value), 0)
    const text = encodeRecord(record)
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(weight + 60)
    expect(decodeRecord(text)).toEqual(record)
  }
  const codecs = privateCodecs(localSigner(alice.secretKey, random))
  const place = { kind: 34_702, o: 'p', session: '00000000000000a1', n: 7, author: alice.pubkey }
  const full = recordOf(
    { session: place.session, n: 7 },
    Array.from({ length: 95 }, (_, n) => [`k${n}`, '🦊'.repeat(3_000)] as const),
  )
  const clear = Buffer.byteLength(await publicCodecs.snapshot.encode(full, place))
  const sealed = await codecs.snapshot.encode(full, place)
  expect(Buffer.byteLength(sealed)).toBeLessThanOrEqual(Math.ceil(clear * SEALED))
  expect(clear * SEALED).toBeGreaterThan(MAX_RECORD_BYTES * 0.9)
  expect(await codecs.snapshot.decode(sealed, place)).toEqual(full)
  // No piece passes for another, and none can be left out.
  const pieces = sealed.split('\n')
  expect(pieces.length).toBeGreaterThan(20)
  for (const wrong of [[...pieces].reverse(), pieces.slice(1), pieces.slice(0, -1), [...pieces, pieces[0]]])
    await expect(Promise.resolve(codecs.snapshot.decode(wrong.join('\n'), place))).rejects.toThrow('another place')
})

test('the private part holds as much in bytes on their way, is full at a limit of its own, and shrinks', async () => {
  const on = await testMesh({ seed: 34 })
  const ada = await on.agent('ada')
  const count = await fill(ada.state.private, big)
  expect(count).toBeGreaterThan(68)
  expect(await passing(on, ada.state.private.flush(20_000))).toBe(true)
  expect(await code(ada.state.set('k', big(0)))).toBe('done')
  expect(await code(ada.state.private.set('more', big(0)))).toBe('state-too-large')
  await ada.state.private.delete('k0')
  expect(await code(ada.state.private.set('more', big(0)))).toBe('done')
  expect(await passing(on, ada.state.private.flush(20_000))).toBe(true)
  await on.close()
})

test('full before a restart and offline is full after it, and shrinks then too', async () => {
  const on = await testMesh({ seed: 35, keys: 'stand-in' })
  const [ada, bob] = [await on.agent('ada'), await on.agent('bob')]
  await on.block('ada', on.url)
  const count = await fill(ada.state, big)
  expect(await passing(on, ada.state.flush(1_000))).toBe(false)
  expect((await ada.state.open()).view.status).toMatchObject({ unwritten: count })
  await on.kill('ada')
  const again = await on.wake('ada')
  expect(await code(again.state.set('more', big(0)))).toBe('state-too-large')
  await again.state.delete('k0')
  await again.state.set('k1', 'short')
  expect(await code(again.state.set('more', big(0)))).toBe('done')
  on.unblock('ada', on.url)
  await on.advance(60_000)
  expect(await passing(on, again.state.flush(20_000))).toBe(true)
  const view = await bob.openState('ada')
  await on.advance(10_000)
  expect([view.keys().length, view.get('k1'), view.get('k0')]).toEqual([count, 'short', undefined])
  await on.close()
})

test('what was removed leaves no room taken for good: sets, keys and their tombstones', async () => {
  const on = await testMesh({ seed: 36, keys: 'stand-in' })
  const [ada, bob] = [await on.agent('ada'), await on.agent('bob')]
  // Half as many names again as a record may have, in two parts: what was removed of the first must leave room for the second.
  const batch = 0.75 * MAX_KEYS
  for (const from of [0, batch]) {
    const names = Array.from({ length: batch }, (_, n) => `key${from + n}`)
    await ada.state.update(Object.fromEntries(names.map(name => [name, from])))
    expect(await passing(on, ada.state.flush(20_000))).toBe(true)
    await ada.state.update(Object.fromEntries(names.map(name => [name, null])))
    expect(await passing(on, ada.state.flush(20_000))).toBe(true)
  }
  for (let n = 0; n < 50; n += 1) {
    await ada.state.add('doing', n)
    await ada.state.remove('doing', n - 1)
  }
  expect(await passing(on, ada.state.flush(20_000))).toBe(true)
  const view = await bob.openState('ada')
  await on.advance(10_000)
  expect(view.content()).toMatchObject({ values: {}, sets: { doing: [49] } })
  await on.close()
}, 60_000)

test('at the limit counters count on, gauges move, and elements are taken out of sets', async () => {
  const on = await testMesh({ seed: 37, keys: 'stand-in' })
  const ada = await on.agent('ada')
  const own = await ada.state.open()
  await ada.state.count('seen', 9)
  await own.setGauge('heat', 9)
  await ada.state.add('doing', 'this')
  await ada.state.set('number', 9)
  const count = await fill(ada.state, big)
  const size = (left: number) => 'x'.repeat(left)
  for (let left = 15_900; left > 0; left = Math.floor(left / 2)) await code(ada.state.set(`rest${left}`, size(left)))
  expect(count).toBeGreaterThan(75)
  expect(await code(ada.state.set('nine characters', 'x'))).toBe('state-too-large')
  await ada.state.count('seen', 1_000_000)
  await own.moveGauge('heat', 1_000_000.5)
  await ada.state.set('number', 10_000_000)
  await ada.state.remove('doing', 'this')
  expect(own.view.content()).toMatchObject({ counters: { seen: 1_000_009 }, gauges: { heat: 1_000_009.5 }, sets: {} })
  await on.close()
})

test('flush keeps its time and says what is left, with no relay, one that refuses, and two at once; so does close', async () => {
  const on = await testMesh({ seed: 38, keys: 'stand-in' })
  const ada = await on.agent('ada')
  const own = await ada.state.open()
  await on.advance(1_000)
  await on.block('ada', on.url)
  await ada.state.set('a', 1)
  await ada.state.set('b', 2)
  const before = on.now
  const flushes = Promise.all([ada.state.flush(3_000), own.flush(3_000)])
  expect(await passing(on, flushes)).toEqual([false, false])
  expect(on.now - before).toBeLessThanOrEqual(4_000)
  const { unwritten, unacknowledged } = own.view.status
  expect(unwritten + unacknowledged).toBeGreaterThan(0)
  const closed = await passing(on, ada.close({ timeoutMs: 2_000 }))
  expect(closed.state).toEqual({ unwritten, unacknowledged })
  await on.close()
})

test('flush is about the private part as well, once that was used', async () => {
  const on = await testMesh({ seed: 39, keys: 'stand-in' })
  const ada = await on.agent('ada')
  await ada.state.set('a', 1)
  expect(await passing(on, ada.state.flush())).toBe(true)
  await on.block('ada', on.url)
  await ada.state.private.set('secret', 1)
  expect(await passing(on, ada.state.flush(3_000))).toBe(false)
  on.unblock('ada', on.url)
  await on.advance(60_000)
  expect(await passing(on, ada.state.flush())).toBe(true)
  await on.close()
})
