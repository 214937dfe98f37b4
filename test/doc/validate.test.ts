import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { clientIdOf } from '#dist/sdk/doc/client-id.js'
import { UPDATE_LIMITS, validateDelta, validateSnapshot } from '#dist/sdk/doc/update/validate.js'
import { testSeed } from '../helpers/seed.ts'
import { drawFrom, edit, recorder } from './updates.ts'

const ascii = (text: string) => [...text].map(char => char.charCodeAt(0))
/** 2^53 − 1. */
const big = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]

const NOBODY = { clock: () => 0, depth: () => undefined }

/** What is known of a document, asked of the document itself. */
const knownOf = (doc: Y.Doc) => {
  const vector = Y.decodeStateVector(Y.encodeStateVector(doc))
  return { clock: (client: number) => vector.get(client) ?? 0, depth: () => 0 }
}

const docOf = (client: number, ...updates: Uint8Array[]) => {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  doc.clientID = client
  return doc
}

/** The update that `change` makes. */
const updateBy = (doc: Y.Doc, change: (doc: Y.Doc) => void): Uint8Array => {
  const take = recorder(doc)
  doc.transact(() => change(doc))
  return take() ?? new Uint8Array()
}

describe('the validator', () => {
  test('takes whatever honest writers write, merged or not', () => {
    const draw = drawFrom(testSeed('honest updates'))
    let judged = 0
    for (let run = 0; run < 5; run += 1) {
      const writers = [11, 2 ** 52 + 12, 13].map(client => docOf(client)).map(doc => ({ doc, take: recorder(doc) }))
      for (let step = 0; step < 60; step += 1) {
        const at = draw(writers.length)
        const writer = writers[at]
        if (writer === undefined) continue
        const others = writers.filter(each => each !== writer).map(({ doc }) => doc)
        const known = knownOf(others[0] ?? writer.doc)
        for (let edits = 1 + draw(3); edits > 0; edits -= 1) edit(writer.doc, draw)
        const update = writer.take()
        if (update === undefined) continue
        expect(validateDelta(update, writer.doc.clientID, known)).toMatchObject({ ok: true })
        judged += 1
        for (const other of others) Y.applyUpdate(other, update, 'foreign')
      }
      for (const { doc } of writers) expect(validateSnapshot(Y.encodeStateAsUpdate(doc))).toMatchObject({ ok: true })
    }
    expect(judged).toBeGreaterThan(150)
  })

  const victim = updateBy(docOf(7), doc => doc.getMap('m').set('a', 1))
  const known = knownOf(docOf(1, victim))
  /** One client's structs from a clock, then deletions. */
  const bytes = (...values: number[]) => Uint8Array.from(values)

  test.each([
    ['a client id of somebody else', updateBy(docOf(7, victim), doc => doc.getMap('m').set('a', 2)), 'client id'],
    [
      'two client ids',
      Y.mergeUpdates([victim, updateBy(docOf(9), doc => doc.getText('t').insert(0, 'x'))]),
      'client id',
    ],
    ['a clock left out', bytes(1, 1, 9, 5, 0x04, 1, 1, 116, 1, 120, 0), 'starts at clock 5'],
    ['a repeated clock', bytes(1, 1, 7, 0, 0x04, 1, 1, 116, 1, 120, 0), 'client id|starts at clock 0'],
    ['a run of nothing over clocks to come', bytes(1, 1, 7, 1, 0, 100, 0), 'client id'],
    ['a Skip', bytes(1, 1, 9, 0, 10, 3, 0), 'leaves out'],
    ['deleting what does not exist yet', bytes(0, 1, 7, 1, 1, 50), 'does not exist yet'],
    ['deleting of a client that never wrote', bytes(0, 1, 99, 1, 0, 1), 'does not exist yet'],
    ['an origin that does not exist', bytes(1, 1, 9, 0, 0x84, 7, 40, 1, 120, 0), 'refers to'],
    ['itself as its origin', bytes(1, 1, 9, 0, 0x84, 9, 0, 1, 120, 0), 'refers to'],
    ['a parent that does not exist', bytes(1, 1, 9, 0, 0x04, 0, 7, 40, 1, 120, 0), 'refers to'],
    ['an unknown kind of content', bytes(1, 1, 9, 0, 0x0b, 1, 1, 116, 0), 'content 11'],
    ['an unknown shared type', bytes(1, 1, 9, 0, 0x07, 1, 1, 116, 9, 0), 'shared type'],
    ['bytes behind the end', bytes(...victim, 0), 'behind its end'],
    ['a huge number of structs', bytes(1, 0xff, 0xff, 0xff, 0xff, 0x0f, 9, 0, 0), 'too early'],
    ['a huge number of deletions', bytes(0, 1, 7, 0xff, 0xff, 0xff, 0xff, 0x0f), 'too early'],
    ['a number that never ends', new Uint8Array(40).fill(0xff), 'too large'],
    ['a huge text', bytes(1, 1, 9, 0, 0x04, 1, 1, 116, 0xff, 0xff, 0x7f, 0), 'too early'],
    ['deletions over each other', bytes(0, 1, 7, 2, 0, 1, 0, 1), 'out of order'],
    ['a clock above what a number holds', bytes(1, 2, 9, 0, 0, ...big, 0, ...big, 0), 'too large'],
    ['nothing at all', bytes(), 'too early'],
    ['no UTF-8', bytes(1, 1, 9, 0, 0x04, 1, 1, 116, 1, 0xff, 0), 'UTF-8'],
    [
      'a value whose key is a prototype',
      bytes(1, 1, 9, 0, 0x08, 1, 1, 116, 1, 118, 1, 9, ...ascii('__proto__'), 126, 0),
      'key',
    ],
  ])('refuses %s', (_, update, why) => {
    const judged = validateDelta(update, 9, known, { start: 0 })
    expect(judged).toEqual({ ok: false, error: expect.stringMatching(why) })
  })

  test('refuses each beginning of an update, and every one with a byte changed never throws', () => {
    const doc = docOf(9)
    const update = updateBy(doc, each => {
      each.getText('t').insert(0, 'hello')
      each.getMap('m').set('a', { b: [1, 'two', null] })
      each.getXmlFragment('x').insert(0, [new Y.XmlElement('p')])
    })
    for (let length = 0; length < update.length; length += 1)
      expect(validateDelta(update.subarray(0, length), 9, NOBODY).ok).toBe(false)
    for (let at = 0; at < update.length; at += 1) {
      const changed = Uint8Array.from(update)
      changed[at] = (changed[at] ?? 0) ^ 0x81
      const judged = validateDelta(changed, 9, NOBODY)
      // What passes all the same leaves nothing waiting.
      if (judged.ok) expect(pendingOf(docOf(1, changed))).toEqual([null, null])
    }
  })

  test('v2 bytes are no update', () => {
    const doc = docOf(9)
    doc.getMap('m').set('a', 1)
    expect(validateDelta(Y.encodeStateAsUpdateV2(doc), 9, NOBODY).ok).toBe(false)
  })

  test('values and types nested to the limit pass, one level more does not', () => {
    const nestedValue = (depth: number) => {
      let value: unknown = 1
      for (let level = 0; level < depth; level += 1) value = [value]
      return updateBy(docOf(9), doc => doc.getMap('m').set('a', value))
    }
    expect(validateDelta(nestedValue(64), 9, NOBODY).ok).toBe(true)
    expect(validateDelta(nestedValue(65), 9, NOBODY)).toEqual({ ok: false, error: expect.stringContaining('deeply') })
    const nestedTypes = (depth: number) =>
      updateBy(docOf(9), doc => {
        let map = doc.getMap<unknown>('m')
        for (let level = 0; level < depth; level += 1) {
          const child = new Y.Map<unknown>()
          map.set('child', child)
          map = child
        }
      })
    expect(validateDelta(nestedTypes(64), 9, NOBODY).ok).toBe(true)
    expect(validateDelta(nestedTypes(65), 9, NOBODY)).toEqual({ ok: false, error: expect.stringContaining('deeply') })
  })

  test('a byte more than the limit is refused', () => {
    const update = updateBy(docOf(9), doc => doc.getText('t').insert(0, 'x'.repeat(60_000)))
    expect(validateDelta(update, 9, NOBODY, { maxBytes: update.length }).ok).toBe(true)
    expect(validateDelta(update, 9, NOBODY, { maxBytes: update.length - 1 }).ok).toBe(false)
    expect(validateDelta(new Uint8Array(UPDATE_LIMITS.bytes + 1), 9, NOBODY).ok).toBe(false)
  })

  test('a snapshot with a hole, or one that needs another, is none', () => {
    const doc = docOf(9)
    doc.getText('t').insert(0, 'abc')
    const before = Y.encodeStateVector(doc)
    doc.getText('t').insert(3, 'def')
    expect(validateSnapshot(Y.encodeStateAsUpdate(doc, before)).ok).toBe(false)
    expect(validateSnapshot(bytes(1, 1, 9, 0, 10, 3, 0)).ok).toBe(false)
    expect(validateSnapshot(bytes(0, 1, 7, 1, 0, 1)).ok).toBe(false)
    // Two elements that stand in each other.
    const circle = bytes(2, 1, 8, 0, 0x87, 9, 0, 1, 1, 9, 0, 0x87, 8, 0, 1, 0)
    expect(validateSnapshot(circle).ok).toBe(false)
  })
})

test('a client id is 53 bits of who, where and when', () => {
  const id = clientIdOf('aa', 'notes.0', '0123')
  expect(Number.isSafeInteger(id)).toBe(true)
  const others = [
    clientIdOf('bb', 'notes.0', '0123'),
    clientIdOf('aa', 'notes.1', '0123'),
    clientIdOf('aa', 'notes.0', '0124'),
  ]
  expect(new Set([id, ...others]).size).toBe(4)
  // From Node's own hash over the same text.
  expect(id).toBe(6_652_149_286_764_383)
})

const pendingOf = (doc: Y.Doc) => [doc.store.pendingStructs, doc.store.pendingDs]
