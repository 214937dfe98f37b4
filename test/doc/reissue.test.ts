import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { compactState, sizeOf } from '#dist/sdk/doc/compact.js'
import { reissue } from '#dist/sdk/doc/reissue.js'
import { testSeed } from '../helpers/seed.ts'
import { drawFrom, edit } from './updates.ts'

interface Piece {
  readonly insert: unknown
  readonly attributes?: object
}

/** Neighbours of equal format are one: how often a format was said is no content. */
function joined(pieces: readonly Piece[]): Piece[] {
  const all: Piece[] = []
  for (const { insert, attributes = {} } of pieces) {
    const format = Object.entries(attributes).sort()
    const last = all.at(-1)
    if (last && JSON.stringify(last.attributes) === JSON.stringify(format))
      all[all.length - 1] = { insert: `${last.insert}${insert}`, attributes: format }
    else all.push({ insert, attributes: format })
  }
  return all
}

const contentOf = (doc: Y.Doc) => ({
  text: joined(doc.getText('text').toDelta()),
  list: doc.getArray('list').toJSON(),
  map: doc.getMap('map').toJSON(),
  xml: doc.getXmlFragment('xml').toString(),
})

const recorded = (doc: Y.Doc) => {
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  return updates
}

test('what random edits meant is the same under another client id, and merges with what others did meanwhile', () => {
  const draw = drawFrom(testSeed('reissue'))
  for (let run = 0; run < 15; run += 1) {
    const doc = new Y.Doc()
    for (let left = draw(12); left > 0; left -= 1) edit(doc, draw, 'añ€b')
    doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('p'), new Y.XmlText('hello')])
    const base = Y.encodeStateAsUpdate(doc)
    const updates = recorded(doc)
    for (let left = 1 + draw(12); left > 0; left -= 1) edit(doc, draw, 'añ€b')
    const p = doc.getXmlFragment('xml').get(0)
    if (p instanceof Y.XmlElement) p.setAttribute('class', 'x')
    const again = reissue(base, updates, base, 77)
    expect(again.whole).toBe(true)
    const fresh = new Y.Doc()
    Y.applyUpdate(fresh, base)
    Y.applyUpdate(fresh, again.update)
    expect(contentOf(fresh)).toEqual(contentOf(doc))
    expect(Y.decodeStateVector(Y.encodeStateVector(fresh)).has(77)).toBe(true)
    // The same from nothing: a document without its past.
    const compact = new Y.Doc()
    Y.applyUpdate(compact, reissue(undefined, [Y.encodeStateAsUpdate(doc)], undefined, 78).update)
    expect(contentOf(compact)).toEqual(contentOf(doc))
    expect([...Y.decodeStateVector(Y.encodeStateVector(compact)).keys()]).toEqual([78])
  }
})

test('what stood on something that is not there is left out, and said', () => {
  const doc = new Y.Doc()
  const updates = recorded(doc)
  doc.getText('text').insert(0, 'lost')
  doc.getText('text').insert(4, ' kept nowhere')
  expect(reissue(undefined, updates.slice(1), undefined, 5).whole).toBe(false)
})

test('compaction is advised for ten times the content or two hundred sessions, and refused where content would be lost', () => {
  const doc = new Y.Doc()
  doc.getText('text').insert(0, 'x'.repeat(70_000))
  expect(sizeOf(Y.encodeStateAsUpdate(doc))).toMatchObject({ sessions: 1, wantsCompaction: false })
  doc.getText('text').delete(0, 70_000)
  for (let step = 0; step < 8_000; step += 1) doc.getMap('map').set(`k${step % 2}`, step)
  const bloated = Y.encodeStateAsUpdate(doc)
  expect(sizeOf(bloated)).toMatchObject({ bytes: bloated.length, wantsCompaction: true })
  const small = compactState(bloated, 5) ?? new Uint8Array()
  expect(sizeOf(small)).toMatchObject({ sessions: 1, wantsCompaction: false })
  expect(small.length).toBeLessThan(100)
  const many = new Y.Doc()
  for (let client = 1; client <= 201; client += 1) {
    many.clientID = client
    many.getArray('list').push([client])
    expect(client < 200 || sizeOf(Y.encodeStateAsUpdate(many)).wantsCompaction === client > 200).toBe(true)
  }
  // One name for two types is legal in Yjs, and cannot be told apart from outside.
  const both = new Y.Doc()
  both.getMap('both').set('a', 1)
  const other = new Y.Doc()
  other.getText('both').insert(0, 'b')
  Y.applyUpdate(both, Y.encodeStateAsUpdate(other))
  expect(compactState(Y.encodeStateAsUpdate(both), 5)).toBeUndefined()
})
