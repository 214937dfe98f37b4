import { defaultLimits, type FilterJson, hexToBytes, hllOf, hllOffset, parseFilter } from 'posthorn/protocol'
import { createRelay } from 'posthorn/relay'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { connect } from './wire.ts'

const offsetOf = (json: FilterJson) => {
  const parsed = parseFilter(json, defaultLimits)
  return parsed.ok ? hllOffset(parsed.value) : 'unread'
}
/** A hex string whose 33rd character is `digit`. */
const hexWith = (digit: string) => `${'0'.repeat(32)}${digit}${'0'.repeat(31)}`

describe('the offset of a filter', () => {
  test.each<[string, FilterJson, number | undefined]>([
    ['an id: the digit at 32, plus 8', { '#e': [hexWith('0')], kinds: [7] }, 8],
    ['a pubkey', { '#p': [hexWith('f')], kinds: [3] }, 23],
    ['an address: its pubkey', { '#a': [`30023:${hexWith('a')}:d`], kinds: [7] }, 18],
    // printf hello | sha256sum: 2cf24dba5fb0a30e26e83b2ac5b9e29e 1b…
    ['anything else: its sha256', { '#t': ['hello'], kinds: [1] }, 9],
    ['two values: none', { '#t': ['a', 'b'], kinds: [1] }, undefined],
    ['two tags: none', { '#t': ['a'], '#r': ['b'], kinds: [1] }, undefined],
    ['no tag: none', { kinds: [1] }, undefined],
    ['any kind: none, it might be private', { '#t': ['a'] }, undefined],
    ['a private kind: none', { '#p': [hexWith('1')], kinds: [1, 1059] }, undefined],
  ])('%s', (_, filter, offset) => {
    expect(offsetOf(filter)).toBe(offset)
  })
})

test('a register holds the most leading zeros plus one', () => {
  const key = (register: string, rest: string) => `${'ff'.repeat(8)}${register}${rest}`.padEnd(64, 'f')
  const registers = hexToBytes(
    hllOf([key('05', '80'), key('05', '01'), key('05', '40'), key('09', '00000f'), key('0a', '0'.repeat(46))], 8),
  )
  expect([registers[5], registers[9], registers[10], registers[0]]).toEqual([8, 21, 185, 0])
  expect(registers).toHaveLength(256)
})

test.each(['memory', 'sqlite'])('COUNT on %s tells registers over distinct authors', async kind => {
  let url: string
  if (kind === 'sqlite') {
    const running = await startRelay()
    onTestFinished(async () => running[Symbol.asyncDispose]())
    url = running.url
  } else {
    const relay = await createRelay()
    onTestFinished(() => relay.close())
    url = await relay.listen({ port: 0 })
  }
  const wire = await connect(url)
  const people = ['a', 'b', 'c'].map(name => person(name))
  const target = hexWith('3')
  for (const [n, who] of [...people, ...people].entries())
    await wire.publish(who.sign({ kind: 7, content: `${n}`, tags: [['e', target]], created_at: nowSeconds() }))
  await wire.publish(person('d').sign({ kind: 1, tags: [['e', target]], created_at: nowSeconds() }))
  const hll = hllOf(
    people.map(({ pubkey }) => pubkey),
    11,
  )
  expect((await wire.count({ '#e': [target], kinds: [7] }))[2]).toEqual({ count: 6, hll })
  expect((await wire.count({ '#e': [target] }))[2]).toEqual({ count: 7 })
  expect((await wire.count({ '#e': [target], kinds: [7] }, { kinds: [9] }))[2]).toEqual({ count: 6 })
})
