import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import {
  defaultLimits,
  encode,
  encodeHints,
  type FrameError,
  parseClientFrame,
  parseRelayFrame,
  REASON_PREFIXES,
} from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'

const CORPUS = new URL('../corpus/frames/', import.meta.url)
const alice = person('alice')
const NOTE = alice.sign({
  content: 'hi \u0001 "\\',
  tags: [
    ['t', 'x'],
    ['e', 'f'.repeat(64)],
  ],
})
const EPOCH = '0123456789abcdef'

const VALID = [
  encode.publish(NOTE),
  encode.req(
    's',
    { kinds: [1], authors: [alice.pubkey], '#t': ['x'], since: 1, until: 2, limit: 3 },
    { ids: [NOTE.id] },
  ),
  encode.req('s', { since_seq: 1, epoch: EPOCH, gone: true }),
  encode.countReq('s', { '#E': ['x'] }),
  encode.close('s'),
  encode.event('"s"', JSON.stringify(NOTE), 7),
  encode.ok(NOTE.id, true, 'seq: 7'),
  encode.eose('s', encodeHints({ complete: 'more', seq: 7, epoch: EPOCH, scope: 'ab', floor: 1, withheld: true })),
  encode.closed('s', 'error: x'),
  encode.count('s', 3),
  encode.seq('s', 7, EPOCH),
  encode.gone('s', 7, NOTE.id, 'replaced'),
]

/** What must hold for any text whatever: a result, and a refusal that can be sent as it is. */
function check(text: string): void {
  const fromClient = parseClientFrame(text, defaultLimits)
  if (!fromClient.ok) checkRefusal(text, fromClient.error)
  const fromRelay = parseRelayFrame(text)
  if (!fromRelay.ok) expect(typeof fromRelay.error).toBe('string')
}

function checkRefusal(text: string, { to, reason }: FrameError): void {
  expect(REASON_PREFIXES).toContain(reason.split(':')[0])
  expect(reason.length).toBeLessThan(200)
  const [type, second] = Array.isArray(tryJson(text)) ? (tryJson(text) as unknown[]) : []
  if (to !== undefined && 'ok' in to) {
    expect(['EVENT', 'AUTH', 'WILL']).toContain(type)
    expect(second).toHaveProperty('id', to.ok)
  } else if (to !== undefined && 'neg' in to) {
    expect(['NEG-OPEN', 'NEG-MSG', 'NEG-CLOSE']).toContain(type)
    expect(to.neg).toBe(second)
  } else if (to !== undefined) {
    expect(['REQ', 'COUNT']).toContain(type)
    expect(to.closed).toBe(second)
  } else if (type === 'REQ' || type === 'COUNT') {
    expect(typeof second !== 'string' || second === '').toBe(true)
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** One JSON text of the frame with one value somewhere in it replaced, removed or doubled. */
const mutated = fc
  .tuple(
    fc.constantFrom(...VALID),
    fc.nat(),
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('replace', 'drop', 'double'),
  )
  .map(([text, at, value, how]) => {
    const frame = JSON.parse(text)
    const places: { holder: Record<string, unknown> | unknown[]; key: string }[] = []
    const walk = (node: unknown) => {
      if (typeof node !== 'object' || node === null) return
      for (const key of Object.keys(node)) {
        places.push({ holder: node as Record<string, unknown>, key })
        walk((node as Record<string, unknown>)[key])
      }
    }
    walk(frame)
    const place = places[at % places.length]
    if (place === undefined) return text
    if (Array.isArray(place.holder)) {
      const index = Number(place.key)
      if (how === 'replace') place.holder[index] = value
      else place.holder.splice(index, how === 'drop' ? 1 : 0, ...(how === 'drop' ? [] : [place.holder[index]]))
    } else if (how === 'drop') delete place.holder[place.key]
    else place.holder[how === 'double' ? `${place.key}x` : place.key] = value
    return JSON.stringify(frame)
  })

/** The frame's text with characters cut, swapped in or repeated, so that most of it is no longer JSON. */
const garbled = fc
  .tuple(fc.constantFrom(...VALID), fc.nat(), fc.nat(20), fc.string({ maxLength: 6, unit: 'binary' }))
  .map(([text, at, length, junk]) => {
    const start = at % text.length
    return text.slice(0, start) + junk + text.slice(start + length)
  })

const anyFrame = fc
  .tuple(
    fc.oneof(fc.constantFrom('EVENT', 'REQ', 'COUNT', 'CLOSE', 'OK', 'EOSE', 'SEQ', 'GONE'), fc.jsonValue()),
    fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 5 }),
  )
  .map(([type, rest]) => JSON.stringify([type, ...rest]))

describe('frames, whatever arrives', () => {
  const seed = testSeed('frames fuzz')

  test('valid ones are valid, or the mutations prove nothing', () => {
    for (const text of VALID)
      expect(parseClientFrame(text, defaultLimits).ok || parseRelayFrame(text).ok, text).toBe(true)
  })

  test.each([
    ['any text', fc.string({ unit: 'binary', maxLength: 200 })],
    ['any JSON', fc.json()],
    ['any array beginning like a frame', anyFrame],
    ['a valid frame with one value changed', mutated],
    ['a valid frame with its text damaged', garbled],
  ])('%s never throws and is answered to the right address', (_, texts) => {
    fc.assert(fc.property(texts, check), { seed, numRuns: 1_500 })
  })

  // Every input that once broke a parser is kept; a file is one frame.
  test.each(readdirSync(CORPUS))('corpus: %s', name => {
    check(readFileSync(new URL(name, CORPUS), 'utf8'))
  })
})
