import { expect, test } from 'vitest'
import * as Y from 'yjs'
import type { Timers } from '#dist/platform/timers.js'
import { createGate, type Gated } from '#dist/sdk/doc/gate.js'
import { createIncoming, type IncomingOptions } from '#dist/sdk/doc/incoming.js'
import { createReplica, digestOf } from '#dist/sdk/doc/replica.js'
import { covers, setEntry } from '#dist/sdk/state/log/cover.js'
import { testSeed } from '../helpers/seed.ts'
import { type Draw, drawFrom, edit, recorder } from './updates.ts'

const AUTHORS = ['a', 'b', 'c']
const clientOf = (author: string) => 1_000 + AUTHORS.indexOf(author)

/** What three authors write who see each other's changes now and then, each change with what it comes after. */
function history(draw: Draw, steps: number): { deltas: Gated[]; truth: Y.Doc } {
  const writers = AUTHORS.map(author => {
    const doc = new Y.Doc()
    doc.clientID = clientOf(author)
    return { author, doc, take: recorder(doc), n: 0, seen: new Map<string, number>() }
  })
  const deltas: Gated[] = []
  for (let step = 0; step < steps; step += 1) {
    const writer = writers[draw(writers.length)]
    if (writer === undefined) continue
    for (const delta of deltas)
      if (delta.author !== writer.author && draw(3) > 0 && delta.n === (writer.seen.get(delta.author) ?? 0) + 1) {
        const isMet = delta.deps.every(
          ({ author, n }) => author === writer.author || n <= (writer.seen.get(author) ?? 0),
        )
        if (!isMet) continue
        Y.applyUpdate(writer.doc, delta.bytes, 'foreign')
        writer.seen.set(delta.author, delta.n)
      }
    edit(writer.doc, draw)
    const bytes = writer.take()
    if (bytes === undefined) continue
    writer.n += 1
    const deps = [...writer.seen].map(([author, n]) => ({ author, session: 's', n }))
    deltas.push({
      author: writer.author,
      session: 's',
      n: writer.n,
      id: `${writer.author}${writer.n}`,
      deps,
      more: false,
      bytes,
    })
  }
  const truth = new Y.Doc()
  for (const { bytes } of deltas) Y.applyUpdate(truth, bytes)
  return { deltas, truth }
}

function shuffled<T>(list: readonly T[], draw: Draw): T[] {
  const result = [...list]
  for (let at = result.length - 1; at > 0; at -= 1) {
    const other = draw(at + 1)
    ;[result[at], result[other]] = [result[other] as T, result[at] as T]
  }
  return result
}

/** The way of deltas into a document, as a generation lays it. */
function receiver(slow: Partial<IncomingOptions> = {}) {
  const doc = new Y.Doc()
  const applied = new Map()
  const whole = new Map()
  const replica = createReplica(doc)
  const gate = createGate(applied)
  const refused: string[] = []
  const incoming = createIncoming({
    replica,
    gate,
    applied,
    whole,
    clientOf,
    trial: undefined,
    state: () => Y.encodeStateAsUpdate(doc),
    onRefused: ({ id, reason }) => refused.push(`${id}: ${reason}`),
    onStuck: () => refused.push('stuck'),
    onIdle() {},
    ...slow,
  })
  return { doc, gate, applied, whole, replica, incoming, refused }
}

test('in whatever order, however often and with whatever gaps repaired late: the same document, nothing waiting, nothing refused', async () => {
  const draw = drawFrom(testSeed('delivery'))
  for (let run = 0; run < 12; run += 1) {
    const { deltas, truth } = history(draw, 40)
    const { doc, gate, whole, incoming, refused } = receiver()
    // Lost the first time, twice, or late.
    const first = deltas.filter(() => draw(5) > 0)
    for (const delta of [...shuffled(first, draw), ...shuffled(deltas, draw)]) {
      gate.offer(delta)
      if (draw(3) === 0) incoming.pump()
      await undefined
    }
    incoming.pump()
    await new Promise(resolve => setImmediate(resolve))
    expect(refused).toEqual([])
    expect(gate.waiting).toBe(0)
    expect(deltas.every(delta => covers(whole, delta))).toBe(true)
    expect([doc.store.pendingStructs, doc.store.pendingDs]).toEqual([null, null])
    expect(digestOf(doc)).toBe(digestOf(truth))
  }
})

test('a state that passes over changes moves on what is expected of their author, and ends a refusal that it passes over', async () => {
  const writer = new Y.Doc()
  writer.clientID = clientOf('a')
  const take = recorder(writer)
  const deltas = [1, 2, 3, 4].map((n): Gated & { readonly state: Uint8Array } => {
    writer.getText('t').insert(writer.getText('t').length, `change ${n} `)
    const bytes = take() ?? new Uint8Array()
    const place = { author: 'a', session: 's', n, id: `a${n}`, deps: [], more: false, bytes }
    return { ...place, state: Y.encodeStateAsUpdate(writer) }
  })
  const [first, second, third, fourth] = deltas
  if (!first || !second || !third || !fourth) throw new Error('four changes')
  const { doc, gate, applied, whole, replica, incoming, refused } = receiver()
  const pump = async () => {
    incoming.pump()
    await new Promise(resolve => setImmediate(resolve))
  }
  gate.offer(first)
  gate.offer({ ...second, bytes: Uint8Array.of(9) })
  gate.offer(third)
  await pump()
  expect(refused).toHaveLength(1)
  expect(incoming.refused).toBe(true)
  // Refused stays refused until a state has brought the change.
  expect(incoming.advanced()).toBe(false)
  for (const cover of [applied, whole]) setEntry(cover, 'a', 's', { n: 3 })
  replica.join(third.state, [clientOf('a')])
  gate.advanced()
  expect(incoming.advanced()).toBe(true)
  expect(incoming.refused).toBe(false)
  gate.offer(fourth)
  await pump()
  expect(refused).toHaveLength(1)
  expect(digestOf(doc)).toBe(digestOf(writer))
})

test('known bad: without the gate a gap makes what is there vanish, which is why there is one', () => {
  const writer = new Y.Doc()
  const updates: Uint8Array[] = []
  writer.on('update', (update: Uint8Array) => updates.push(update))
  for (const value of [1, 2, 3]) writer.getMap('m').set('key', value)
  const [first, , third] = updates
  const reader = new Y.Doc()
  for (const update of [first, third]) if (update) Y.applyUpdate(reader, update)
  expect(reader.store.pendingStructs).not.toBeNull()
})

test('a machine that is too slow for a change, twice: it and what stands on it wait, nothing is refused, and all is there in the end', async () => {
  const draw = drawFrom(testSeed('slow'))
  const costly = new Y.Doc()
  costly.clientID = clientOf('a')
  const take = recorder(costly)
  const delta = (author: string, n: number, deps: Gated['deps'], update: Uint8Array, more = false): Gated => ({
    author,
    session: 's',
    n,
    id: `${author}${n}`,
    deps,
    more,
    bytes: update,
  })
  costly.getText('t').insert(0, 'a')
  const first = take() ?? new Uint8Array()
  costly.transact(() => {
    for (let key = 0; key < 1_500; key += 1) costly.getMap('m').set(`k${key}`, key)
  })
  const large = take() ?? new Uint8Array()
  costly.getText('t').insert(1, 'b')
  const last = take() ?? new Uint8Array()
  costly.clientID = clientOf('b')
  costly.getMap('m').set('k0', 'by another')
  const answer = take() ?? new Uint8Array()
  const half = large.length >> 1
  const deltas = [
    delta('a', 1, [], first),
    delta('a', 2, [], large.subarray(0, half), true),
    delta('a', 3, [], large.subarray(half)),
    delta('a', 4, [], last.subarray(0, 3), true),
    delta('a', 5, [], last.subarray(3)),
    delta('b', 1, [{ author: 'a', session: 's', n: 5 }], answer),
  ]
  for (let run = 0; run < 10; run += 1) {
    const times: number[] = []
    const due: (() => void)[] = []
    const trial = async (_state: Uint8Array, _updates: readonly Uint8Array[], ms: number) => times.push(ms) > 2
    const timers: Timers = {
      after(_ms, again) {
        due.push(again)
        return () => {}
      },
    }
    const { doc, gate, refused, incoming, whole } = receiver({
      trial,
      timers,
      onResumed() {
        for (const each of deltas) gate.offer(each)
        incoming.pump()
      },
    })
    const settled = () => new Promise(resolve => setImmediate(resolve))
    for (const each of shuffled(deltas, draw)) {
      gate.offer(each)
      if (draw(2) === 0) incoming.pump()
      if (draw(2) === 0) await settled()
    }
    incoming.pump()
    await settled()
    for (let tries = 0; tries < 2; tries += 1) {
      expect(incoming.postponed).toBe(1)
      expect(doc.getMap('m').size).toBe(0)
      due.shift()?.()
      await settled()
    }
    expect(refused).toEqual([])
    expect(times).toEqual([5_000, 15_000, 45_000])
    expect([incoming.postponed, incoming.refused, gate.waiting]).toEqual([0, false, 0])
    expect(deltas.every(each => covers(whole, each))).toBe(true)
    expect(digestOf(doc)).toBe(digestOf(costly))
  }
})
