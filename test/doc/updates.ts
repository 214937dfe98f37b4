import * as Y from 'yjs'

/** A pseudo-random whole number below `below`. */
export type Draw = (below: number) => number

/** mulberry32: the same numbers for the same seed. */
export function drawFrom(seed: number): Draw {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

/** Something that somebody might do to a document, in one transaction. */
export function edit(doc: Y.Doc, draw: Draw, letters = 'añ😀b'): void {
  doc.transact(() => {
    for (let left = 1 + draw(3); left > 0; left -= 1) editOnce(doc, draw, letters)
  })
}

function editOnce(doc: Y.Doc, draw: Draw, letters: string): void {
  const text = doc.getText('text')
  const list = doc.getArray<unknown>('list')
  const map = doc.getMap<unknown>('map')
  switch (draw(9)) {
    case 0:
    case 1:
      return text.insert(draw(text.length + 1), letters.slice(draw(3)))
    case 2:
      return text.length > 2 ? text.delete(draw(text.length - 2), 1 + draw(2)) : undefined
    case 3:
      return text.length > 2 ? text.format(draw(text.length - 2), 2, { bold: true, at: draw(9) }) : undefined
    case 4:
      return list.insert(draw(list.length + 1), [draw(100), { a: [1, null, 'x'] }, new Uint8Array([1, 2])])
    case 5:
      return list.length > 1 ? list.delete(draw(list.length - 1), 1) : undefined
    case 6:
      return void map.set(`k${draw(4)}`, draw(2) === 0 ? draw(1000) : { text: 'value', n: 1.5 })
    case 7:
      return map.delete(`k${draw(4)}`)
    default: {
      // A type that is put in, filled and perhaps taken out again at once.
      const child = new Y.Map()
      map.set(`t${draw(3)}`, child)
      child.set('inner', new Y.Text('hello'))
      if (draw(3) === 0) map.delete('t0')
      return
    }
  }
}

/** What was done since the last call, as one update; undefined if nothing was. */
export function recorder(doc: Y.Doc): () => Uint8Array | undefined {
  let updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array, origin: unknown) => {
    if (origin !== 'foreign') updates.push(update)
  })
  return () => {
    const [first, second] = updates
    const merged = first && second ? Y.mergeUpdates(updates) : first
    updates = []
    return merged
  }
}
