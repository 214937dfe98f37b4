import type { Agent } from 'posthorn'
import { type OpenDoc, openDoc, type SharedDoc } from 'posthorn/doc'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { systemTimers } from '#dist/platform/timers.js'
import { DOC_AWARENESS, STATE_DELTA } from '#dist/protocol/kinds.js'
import { deltaTags } from '#dist/protocol/state.js'
import { clientIdOf } from '#dist/sdk/doc/client-id.js'
import { SESSIONS_PER_MEMBER } from '#dist/sdk/doc/heard-sessions.js'
import { documentId, logOf } from '#dist/sdk/doc/name.js'
import { createOpenDoc } from '#dist/sdk/doc/open-doc.js'
import { deltaCodec, stateCodec } from '#dist/sdk/doc/payload.js'
import { threadTrial } from '#dist/sdk/doc/trial-node.js'
import { openLog } from '#dist/sdk/state/log/log.js'
import { logHostOf, surroundingsOf } from '#dist/sdk/state/surroundings.js'
import { during as duringOn, type Mesh, standInMesh } from './mesh.ts'

// Mallory is a member, and her software is her own: she signs well what nobody's Yjs would write.
let mesh: Mesh
let alice: Agent
let bob: Agent
let mallory: Agent
const during = <T>(promise: Promise<T>) => duringOn(mesh, promise)

beforeAll(async () => {
  mesh = await standInMesh()
  alice = await mesh.agent('alice')
  bob = await mesh.agent('bob')
  mallory = await mesh.agent('mallory')
})
afterEach(async () => {
  for (const shared of open.splice(0)) await during(shared.close())
})
afterAll(() => mesh.close())

/** Each has subscriptions of its own. */
const open: SharedDoc[] = []

let count = 0
/** A public document of Alice's, open with her and Bob, with something in it. */
async function scene(openWith: OpenDoc = openDoc) {
  const name = `doc${++count}`
  const hers = await during(openWith(alice, name, { public: true }))
  for (const who of ['bob', 'mallory']) await during(hers.invite(who))
  const his = await during(openWith(bob, `alice/${name}`))
  open.push(hers, his)
  hers.doc.getText('t').insert(0, 'honest')
  hers.doc.getMap('m').set('a', 1)
  await mesh.advance(1_000)
  const o = logOf(documentId({ owner: alice.pubkey, name }), 0)
  return { hers, his, o, victim: hers.doc.clientID, name }
}

/** Mallory's own hand on the log; `state` is what her snapshots say. */
async function forger(o: string, state?: () => Uint8Array) {
  const host = await logHostOf(surroundingsOf(mallory))
  const log = openLog(host, {
    o,
    authors: () => new Set([mallory.pubkey]),
    delta: deltaCodec(undefined),
    snapshot: stateCodec(undefined),
    onDelta() {},
    onSnapshot: () => false,
    takeSnapshot: cover => state && { payload: { state: state() }, cover },
  })
  await during(log.ready())
  const session = log.begin()
  return {
    log,
    session,
    client: clientIdOf(mallory.pubkey, o, session),
    write: (bytes: Uint8Array, more = false) => during(log.write({ more, bytes })),
  }
}

/** Whatever happened, the honest go on: both see the same, nothing waits inside Yjs, and what they write arrives. */
async function staysWell(hers: SharedDoc, his: SharedDoc) {
  hers.doc.getText('t').insert(0, '[')
  his.doc.getText('t').insert(his.doc.getText('t').length, ']')
  his.doc.getMap('m').set('b', 2)
  await mesh.advance(3_000)
  for (const { doc, status } of [hers, his]) {
    expect(doc.getText('t').toString()).toMatch(/^\[+honest\]+$/)
    expect(doc.getMap('m').toJSON()).toMatchObject({ a: 1, b: 2 })
    expect([doc.store.pendingStructs, doc.store.pendingDs]).toEqual([null, null])
    expect(status.unwritten).toBe(false)
  }
  expect(hers.digest()).toBe(his.digest())
}

const varint = (value: number): number[] => {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}
const bytes = (...values: (number | number[])[]) => Uint8Array.from(values.flat())

const by = (client: number, change: (doc: Y.Doc) => void): Uint8Array => {
  const doc = new Y.Doc()
  doc.clientID = client
  doc.transact(() => change(doc))
  return Y.encodeStateAsUpdate(doc)
}
interface Target {
  /** Mallory's and Alice's client ids. */
  readonly own: number
  readonly victim: number
}

const ATTACKS: Record<string, (target: Target) => Uint8Array> = {
  'a forged client id': ({ victim }) => by(victim, doc => doc.getText('t').insert(0, 'never said')),
  'what she wrote in another document': () =>
    by(clientIdOf(mallory.pubkey, logOf('0'.repeat(32), 0), '0123456789abcdef'), doc =>
      doc.getText('t').insert(0, 'elsewhere'),
    ),
  'what Alice wrote, once more': ({ victim }) => by(victim, doc => doc.getText('t').insert(0, 'honest')),
  'deleting what Alice will write': ({ victim }) => bytes(0, 1, varint(victim), 1, 3, 100),
  'nothing in the place of what Alice will write': ({ victim }) => bytes(1, 1, varint(victim), 7, 0, 100, 0),
  'a jump of her own over a hole': ({ own }) => bytes(1, 1, varint(own), 50, 0, 1, 0),
  'a Skip': ({ own }) => bytes(1, 1, varint(own), 0, 10, 100, 0),
  'format v2': ({ own }) => {
    const doc = new Y.Doc()
    doc.clientID = own
    doc.getMap('m').set('a', 'v2')
    return Y.encodeStateAsUpdateV2(doc)
  },
  '27 bytes that claim 2^53 structs': () => bytes(0, 0, ...Array<number>(24).fill(0xff), 1),
  '85 bytes that claim a list without end': ({ own }) =>
    bytes(1, varint(2 ** 50), varint(own), 0, ...Array<number>(70).fill(8)),
  'a truncated update': ({ own }) => by(own, doc => doc.getText('t').insert(0, 'truncated')).slice(0, -4),
  'a value as deep as it fits': ({ own }) =>
    bytes(1, 1, varint(own), 0, 8, 1, 1, 108, 1, Array.from({ length: 9_000 }, () => [117, 1]).flat(), 126, 0),
  'a length of more than there is': ({ own }) => bytes(1, 1, varint(own), 0, 4, 1, 1, 116, varint(2 ** 40), 0),
  'a reference to nothing': ({ own, victim }) =>
    bytes(1, 1, varint(own), 0, 0x84, varint(victim), varint(9_999), 1, 120, 0),
  'a prototype for a key': ({ own }) =>
    by(own, doc => doc.getArray('l').insert(0, [JSON.parse('{"__proto__": {"a": 1}}')])),
  'nothing at all': () => new Uint8Array(),
}

describe('what a member may send', () => {
  test.each(Object.entries(ATTACKS))('%s: refused, attributed, and everybody well', async (_, attack) => {
    const { hers, his, o, victim } = await scene()
    const { client, write, log } = await forger(o)
    const { id } = await write(attack({ own: client, victim }))
    // What stands behind it in the same session counts no more.
    await write(by(client, doc => doc.getText('t').insert(0, 'afterwards ')))
    await mesh.advance(1_000)
    for (const shared of [hers, his]) {
      expect(shared.status.alerts.at(-1)).toMatchObject({ code: 'refused', author: mallory.pubkey, event: id })
      expect(shared.status.synced).toBe(false)
    }
    await staysWell(hers, his)
    await during(log.close({ timeoutMs: 0 }))
  })

  test('an update in parts that never ends', async () => {
    const { hers, his, o } = await scene()
    const { write, log } = await forger(o)
    for (let part = 0; part < 65; part += 1) await write(new Uint8Array(1), true)
    await mesh.advance(1_000)
    expect(hers.status.alerts).toMatchObject([{ code: 'refused', author: mallory.pubkey }])
    await staysWell(hers, his)
    await during(log.close({ timeoutMs: 0 }))
  })

  test('a change that takes longer than anybody waits: its thread is ended, it waits, and everybody well', async () => {
    const impatient = createOpenDoc(() => (state, updates) => threadTrial(systemTimers)(state, updates, 1))
    const { hers, his, o } = await scene(impatient)
    const { client, write, log } = await forger(o)
    const alerts = [hers, his].map(shared => new Promise(resolve => shared.on('alert', resolve)))
    const { id } = await write(
      by(client, doc => {
        for (let key = 0; key < 1_500; key += 1) doc.getMap('m').set(`k${key}`, key)
      }),
    )
    await mesh.advance(1_000)
    for (const alert of await Promise.all(alerts))
      expect(alert).toMatchObject({ code: 'slow', author: mallory.pubkey, event: id })
    expect(hers.doc.getMap('m').has('k0')).toBe(false)
    for (const { status } of [hers, his]) expect(status).toMatchObject({ synced: false, waiting: 1 })
    await staysWell(hers, his)
    await during(log.close({ timeoutMs: 0 }))
  })

  test('two changes with one number: frozen before them, told, and everybody well', async () => {
    const { hers, his, o } = await scene()
    const { session, client, log } = await forger(o)
    const { signer } = surroundingsOf(mallory)
    const lines = surroundingsOf(mallory).lines()
    const sent = ['one', 'other'].map(async text => {
      const payload = { more: false, bytes: by(client, doc => doc.getText('t').insert(0, text)) }
      const place = { kind: STATE_DELTA, o, author: mallory.pubkey, session, n: 1 }
      const content = await deltaCodec(undefined).encode(payload, place)
      // Dated apart, so that the relay has the later one in the end, and some have seen both.
      const created_at = Math.floor(mesh.now / 1000) + (text === 'one' ? 0 : 1)
      return signer.sign({ kind: STATE_DELTA, created_at, tags: deltaTags({ o, session, n: 1, deps: [] }), content })
    })
    for (const event of await Promise.all(sent)) {
      for (const line of lines) void line.publish(event)
      await mesh.advance(1_000)
    }
    for (const shared of [hers, his])
      expect(shared.status.alerts).toContainEqual(expect.objectContaining({ code: 'fork', author: mallory.pubkey }))
    await staysWell(hers, his)
    await during(log.close({ timeoutMs: 0 }))
  })

  test('a snapshot that has other content than what it names: not believed, told, and everybody well', async () => {
    const { hers, his, o } = await scene()
    const host = await logHostOf(surroundingsOf(mallory))
    const state = by(hers.doc.clientID, doc => doc.getText('t').insert(0, 'never said'))
    const log = openLog(host, {
      o,
      keep: `forged ${o}`,
      authors: () => new Set([alice.pubkey, bob.pubkey, mallory.pubkey]),
      delta: deltaCodec(undefined),
      snapshot: stateCodec(undefined),
      auto: false,
      onDelta() {},
      onSnapshot: () => false,
      takeSnapshot: cover => ({ payload: { state }, cover }),
    })
    await during(log.ready())
    expect(await during(log.snapshot())).toBe(true)
    await mesh.advance(1_000)
    for (const shared of [hers, his])
      expect(shared.status.alerts).toMatchObject([{ code: 'diverged', author: mallory.pubkey }])
    await staysWell(hers, his)
    await during(log.close({ timeoutMs: 0 }))
    // As the alert says: without whoever did it.
    await during(hers.remove('mallory'))
    await mesh.advance(2_000)
    expect(his.doc.getText('t').toString()).toBe(hers.doc.getText('t').toString())
    expect(his.status).toMatchObject({ generation: 1, alerts: [{ code: 'diverged' }] })
  })

  test('a snapshot by a member who may only write: counts for nothing, for who comes late, too', async () => {
    const hers = await during(openDoc(alice, `doc${++count}`, { public: true }))
    open.push(hers)
    await during(hers.invite('mallory', 'write'))
    hers.doc.getText('t').insert(0, 'honest')
    await mesh.advance(1_000)
    const o = logOf(hers.id, 0)
    const { log } = await forger(o, () => by(hers.doc.clientID, doc => doc.getText('t').insert(0, 'never said')))
    expect(await during(log.snapshot())).toBe(true)
    await during(log.close({ timeoutMs: 0 }))
    await during(hers.invite('bob'))
    const his = await during(openDoc(bob, `alice/doc${count}`))
    open.push(his)
    expect(await during(his.whenSynced())).toBe(true)
    expect(his.doc.getText('t').toString()).toBe('honest')
    expect([...hers.status.alerts, ...his.status.alerts]).toEqual([])
  })

  test('two changes with one number, one of them in a snapshot already: told what ends it', async () => {
    const { hers, his, o } = await scene()
    const { session, client, write, log } = await forger(o, () => one)
    const one = by(client, doc => doc.getText('t').insert(0, 'one '))
    const { id } = await write(one)
    expect(await during(log.snapshot())).toBe(true)
    await mesh.advance(1_000)
    expect(hers.status.alerts).toEqual([])
    const payload = { more: false, bytes: by(client, doc => doc.getText('t').insert(0, 'other ')) }
    const place = { kind: STATE_DELTA, o, author: mallory.pubkey, session, n: 1 }
    const content = await deltaCodec(undefined).encode(payload, place)
    const tags = deltaTags({ o, session, n: 1, deps: [] })
    const created_at = Math.floor(mesh.now / 1000) + 1
    const event = await surroundingsOf(mallory).signer.sign({ kind: STATE_DELTA, created_at, tags, content })
    expect(event.id).not.toBe(id)
    for (const line of surroundingsOf(mallory).lines()) await during(line.publish(event))
    await mesh.advance(1_000)
    for (const { status } of [hers, his])
      expect(status.alerts).toContainEqual(expect.objectContaining({ code: 'diverged', author: mallory.pubkey }))
    await during(log.close({ timeoutMs: 0 }))
  })

  test('one removed writes on, into the old generation and the new one: counted nowhere', async () => {
    const { hers, his, o } = await scene()
    await during(hers.remove('mallory'))
    await mesh.advance(2_000)
    for (const at of [o, o.replace(/0$/, '1')]) {
      const { client, write, log } = await forger(at)
      await write(by(client, doc => doc.getText('t').insert(0, 'still here ')))
      await during(log.close({ timeoutMs: 0 }))
    }
    await mesh.advance(2_000)
    expect(his.doc.getText('t').toString()).toBe('honest')
    expect(hers.status.alerts).toEqual([])
    await staysWell(hers, his)
  })

  test('awareness in the name of another, a replay, and rubbish: not shown', async () => {
    const { Awareness } = await import('y-protocols/awareness')
    const { hers, o } = await scene()
    const awareness = new Awareness(hers.doc)
    const leave = hers.joinAwareness(awareness)
    const { signer } = surroundingsOf(mallory)
    const say = async (content: string, session: string, n: number, ageS = 0) => {
      const tags = [
        ['o', o],
        ['g', session],
        ['n', String(n)],
      ]
      const created_at = Math.floor(mesh.now / 1000) - ageS
      const event = await signer.sign({ kind: DOC_AWARENESS, created_at, tags, content })
      for (const line of surroundingsOf(mallory).lines()) await during(line.publish(event))
    }
    const gone = Buffer.from('null').toString('base64')
    const there = Buffer.from('{"name":"Mallory"}').toString('base64')
    // Under Alice's session it is still Mallory's: another client id.
    await say(gone, hers.session, 1)
    expect(awareness.getLocalState()).toEqual({})
    await say(there, '0123456789abcdef', 1, 3_600)
    await say('!!!', '0123456789abcdef', 2)
    await say(Buffer.from('[1]').toString('base64'), '0123456789abcdef', 3)
    expect(awareness.getStates().size).toBe(1)
    await say(there, '0123456789abcdef', 4)
    expect(awareness.getStates().get(clientIdOf(mallory.pubkey, o, '0123456789abcdef'))).toEqual({ name: 'Mallory' })
    // However many sessions she opens, the others are seen, and she takes a share.
    for (let number = 0; number < 300; number += 1) await say(there, number.toString(16).padStart(16, '0'), 1)
    const { signer: bobs, lines } = surroundingsOf(bob)
    const tags = [
      ['o', o],
      ['g', 'fedcba9876543210'],
      ['n', '1'],
    ]
    const content = Buffer.from('{"name":"Bob"}').toString('base64')
    const event = await bobs.sign({ kind: DOC_AWARENESS, created_at: Math.floor(mesh.now / 1000), tags, content })
    for (const line of lines()) await during(line.publish(event))
    expect(awareness.getStates().get(clientIdOf(bob.pubkey, o, 'fedcba9876543210'))).toEqual({ name: 'Bob' })
    expect(awareness.getStates().size).toBe(1 + SESSIONS_PER_MEMBER + 1)
    expect(awareness.meta.size).toBe(1 + SESSIONS_PER_MEMBER + 1)
    leave()
    awareness.destroy()
  })

  test('a ciphertext carried to another place does not open', async () => {
    const { createDocSeal } = await import('#dist/sdk/doc/secret/seal.js')
    const seal = createDocSeal(new Uint8Array(32).fill(7))
    const place = { kind: STATE_DELTA, o: 'a.0', author: 'aa', session: '0123456789abcdef', n: 1, control: 'cc' }
    const sealed = seal.seal(new Uint8Array([1, 2, 3]), place)
    expect(seal.open(sealed, place)).toEqual(new Uint8Array([1, 2, 3]))
    expect(sealed.length).toBe(24 + 32 + 16)
    const elsewhere = [
      { kind: 1 },
      { o: 'b.0' },
      { author: 'bb' },
      { session: '0123456789abcdee' },
      { n: 2 },
      { control: 'dd' },
    ]
    for (const other of elsewhere) expect(() => seal.open(sealed, { ...place, ...other })).toThrow()
    expect(() => createDocSeal(new Uint8Array(32).fill(8)).open(sealed, place)).toThrow()
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Uint8Array.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => seal.open(changed, place)).toThrow()
    }
  })
})
