import { join } from 'node:path'
import type { FilterJson, NostrEvent } from 'posthorn/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { LogReader } from '#dist/relay/log/sqlite/reader.js'
import { LogWriter } from '#dist/relay/log/sqlite/writer.js'
import { testSeed } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { dice } from './dice.ts'
import { ALICE, BOB, filter, NOW, unsigned } from './unsigned.ts'

function open() {
  const file = join(tempDir(), 'log.db')
  const writer = new LogWriter(file)
  const reader = (countEntries?: number) => {
    const opened = new LogReader(file, countEntries === undefined ? {} : { countEntries })
    onTestFinished(() => opened.close())
    return opened
  }
  onTestFinished(() => writer.close())
  return { writer, reader }
}

/** As the store asks: turn by turn. */
function countIn(reader: LogReader, json: readonly FilterJson[], keys: readonly string[] = [], between?: () => void) {
  const turns: number[] = []
  for (let part = reader.count(json.map(filter), { keys, now: NOW }); ; ) {
    turns.push(part.count)
    if (part.next === undefined)
      return { turns: turns.length, most: Math.max(...turns), sum: turns.reduce((a, b) => a + b) }
    between?.()
    part = reader.count(json.map(filter), { keys, now: NOW }, part.next)
  }
}

test('a count in many turns is the count in one, whatever is asked for', () => {
  const random = dice(testSeed('count'))
  const { writer, reader } = open()
  const [whole, few, one] = [reader(), reader(7), reader(1)]
  const events: NostrEvent[] = Array.from({ length: 200 }, () => {
    const tags = [
      ['t', random.of(['a', 'b', 'c'])],
      ['t', random.of(['a', 'b', 'c'])],
      ['p', random.of([ALICE, BOB])],
    ]
    if (random.chance(0.1)) tags.push(['expiration', String(NOW + random.below(10) - 5)])
    const kind = random.of([1, 1, 2, 4, 30_001])
    return unsigned({ kind, pubkey: random.of([ALICE, BOB]), tags, created_at: 5_000 + random.below(20) })
  })
  writer.append(events, NOW * 1000)
  const field = (): FilterJson => ({
    ...(random.chance(0.4) && { authors: random.of([[ALICE], [BOB], [ALICE, BOB]]) }),
    ...(random.chance(0.4) && { kinds: random.of([[1], [2, 4], [4], [1, 30_001]]) }),
    ...(random.chance(0.4) && { '#t': random.of([['a'], ['a', 'b'], ['none']]) }),
    ...(random.chance(0.2) && { '#p': [ALICE] }),
    ...(random.chance(0.2) && { since: 5_000 + random.below(24) }),
    ...(random.chance(0.2) && { until: 5_000 + random.below(24) }),
    ...(random.chance(0.1) && { ids: events.slice(0, 90).map(({ id }) => id) }),
  })
  let inTurns = 0
  for (let round = 0; round < 40; round += 1) {
    const asked = Array.from({ length: 1 + random.below(3) }, field)
    const keys = random.chance(0.4) ? [BOB] : []
    const expected = countIn(whole, asked, keys)
    expect(expected.turns).toBe(1)
    for (const slow of [few, one]) {
      const { turns, sum } = countIn(slow, asked, keys)
      expect(sum, JSON.stringify({ asked, keys })).toBe(expected.sum)
      if (turns > 1) inTurns += 1
    }
  }
  expect(inTurns).toBeGreaterThan(20)
})

test('no turn looks at much more than its share, and what comes meanwhile is not counted', () => {
  const { writer, reader } = open()
  const add = (events: readonly NostrEvent[]) => writer.append(events, NOW * 1000)
  add(Array.from({ length: 200 }, () => unsigned({ kind: 7 })))
  const { turns, most, sum } = countIn(reader(10), [{ kinds: [7] }], [], () =>
    add([unsigned({ kind: 7, created_at: 1 })]),
  )
  expect(sum).toBe(200)
  expect(most).toBeLessThanOrEqual(11)
  expect(turns).toBeGreaterThanOrEqual(200 / 11)
})
