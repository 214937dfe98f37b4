import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { createReplica, digestOf } from '#dist/sdk/doc/replica.js'
import { cutUpdate, PIECE_LIMITS } from '#dist/sdk/doc/update/cut.js'
import { testSeed } from '../helpers/seed.ts'
import { drawFrom, edit, recorder } from './updates.ts'

const CLIENT = 77

/** Applies pieces one by one, each judged as members judge it: it starts exactly where the one before it ended. */
function applied(base: Uint8Array, pieces: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc()
  const replica = createReplica(doc)
  expect(replica.join(base, [])).toMatchObject({ ok: true })
  for (const piece of pieces) expect(replica.apply(piece, CLIENT)).toMatchObject({ ok: true })
  expect([doc.store.pendingStructs, doc.store.pendingDs]).toEqual([null, null])
  return doc
}

test('pieces of an update are valid one after the other, and say what it says', () => {
  const draw = drawFrom(testSeed('cut'))
  let cuts = 0
  for (let run = 0; run < 40; run += 1) {
    const doc = new Y.Doc()
    doc.clientID = 5
    for (let step = draw(10); step >= 0; step -= 1) edit(doc, draw)
    const base = Y.encodeStateAsUpdate(doc)
    doc.clientID = CLIENT
    const take = recorder(doc)
    for (let step = draw(30); step >= 0; step -= 1) edit(doc, draw, 'a𝄞ñ😀\ufeffb'.repeat(1 + draw(4)))
    const list = doc.getArray<unknown>('list')
    list.insert(
      draw(list.length + 1),
      Array.from({ length: draw(40) }, (_, at) => ({ at, text: 'é'.repeat(at) })),
    )
    const update = take()
    if (update === undefined) continue
    const limits = { bytes: 8 + draw(60), structs: 1 + draw(5), clocks: 1 + draw(20) }
    const pieces = cutUpdate(update, limits)
    cuts += pieces.length - 1
    expect(digestOf(applied(base, pieces))).toBe(digestOf(doc))
  }
  expect(cuts).toBeGreaterThan(200)
})

test('a text of many megabytes in one edit is cut to what travels; others write between the pieces', () => {
  const doc = new Y.Doc()
  doc.clientID = CLIENT
  const text = doc.getText('t')
  text.insert(0, 'start end')
  const base = Y.encodeStateAsUpdate(doc)
  const take = recorder(doc)
  text.insert(6, 'long 😀 text '.repeat(400_000))
  const pieces = cutUpdate(take() ?? new Uint8Array())
  expect(pieces.length).toBeGreaterThan(10)
  for (const piece of pieces) expect(piece.length).toBeLessThan(PIECE_LIMITS.bytes + 100)
  const other = applied(base, [])
  for (const piece of pieces) {
    Y.applyUpdate(other, piece)
    other.getText('t').insert(0, '.')
  }
  expect(other.getText('t').toString().replace(/^\.+/, '')).toBe(text.toString())
})

test('an update that is malformed or of several clients is left as it is', () => {
  const doc = new Y.Doc()
  doc.getText('t').insert(0, 'one')
  doc.clientID += 1
  doc.getText('t').insert(0, 'two')
  const update = Y.encodeStateAsUpdate(doc)
  expect(cutUpdate(update, { bytes: 1, structs: 1, clocks: 1 })).toEqual([update])
  expect(cutUpdate(Uint8Array.of(9))).toEqual([Uint8Array.of(9)])
})
