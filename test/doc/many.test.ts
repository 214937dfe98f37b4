import type { Agent } from 'posthorn'
import { openDoc, PosthornProvider, type SharedDoc } from 'posthorn/doc'
import { expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { sleep, systemTimers } from '#dist/platform/timers.js'
import type { Limits } from '#dist/protocol/limits.js'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, memoryAgent } from '../sdk/agents.ts'

// A relay allows a connection few subscriptions, however many documents are open.

const MANY = 30
const FEW = 12

/** Not a time that anything should take, but one at which waiting is given up. */
const PATIENCE_MS = 60_000

vi.setConfig({ testTimeout: 3 * PATIENCE_MS })

async function scene(limits: Partial<Limits>) {
  const relay = await startRelay({ limits })
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const ada = await memoryAgent(alice, relay.url)
  const ben = await memoryAgent(bob, relay.url)
  return { relay, ada, ben }
}

async function made(owner: Agent, guest: string, count: number): Promise<SharedDoc[]> {
  const documents: SharedDoc[] = []
  for (let at = 0; at < count; at += 1) {
    const shared = await openDoc(owner, `d${at}`)
    await shared.invite(guest)
    documents.push(shared)
  }
  return documents
}

const text = ({ doc }: SharedDoc) => doc.getText('t').toString()

test('many documents at a relay with few subscriptions: all are synced, edited from both sides, before and after a reconnect', async () => {
  const { relay, ada, ben } = await scene({ subscriptions: FEW })
  const hers = await made(ada, 'bob', MANY)
  const his = await Promise.all(hers.map((_, at) => openDoc(ben, `alice/d${at}`, { timeoutMs: PATIENCE_MS })))
  for (const shared of [...hers, ...his]) expect(await shared.whenSynced({ timeoutMs: PATIENCE_MS })).toBe(true)
  for (const [at, shared] of his.entries()) shared.doc.getText('t').insert(0, `${at} `)
  await eventually('hers', () => hers.every((shared, at) => text(shared) === `${at} `))
  await relay.restart()
  for (const shared of hers) shared.doc.getText('t').insert(0, 'more ')
  await eventually('his', () => his.every((shared, at) => text(shared) === `more ${at} `))
  // Who is a member is heard after a reconnect, too.
  await Promise.all(hers.map(shared => shared.setRole('bob', 'read')))
  await eventually('roles', () => his.every(({ status }) => status.role === 'read'))
  for (const shared of [...hers, ...his]) expect(shared.status.alerts).toEqual([])
})

test('cursors in many documents at a relay with few subscriptions are all seen', async () => {
  const { ada, ben } = await scene({ subscriptions: FEW })
  const documents = await made(ada, 'bob', MANY)
  // A Y.Doc of one's own is for a document that is not open yet.
  await Promise.all(documents.map(shared => shared.close()))
  const providers = documents.flatMap((_, at) => [
    new PosthornProvider(new Y.Doc(), { agent: ada, id: `d${at}` }),
    new PosthornProvider(new Y.Doc(), { agent: ben, id: `alice/d${at}` }),
  ])
  await eventually('synced', () => providers.every(({ synced }) => synced))
  const areSeen = () => providers.every(({ awareness }) => awareness.getStates().size === 2)
  // What is shown before the other listens is not kept anywhere: it is shown again, as whoever moves does.
  for (let move = 0; move < 60 && !areSeen(); move += 1) {
    for (const { awareness } of providers) awareness.setLocalState({ move })
    await sleep(systemTimers, 1_000)
  }
  expect(areSeen()).toBe(true)
  for (const provider of providers) await provider.destroy()
})

test('a relay that takes few values in a filter: what is shared is split', async () => {
  const { ada, ben } = await scene({ subscriptions: 30, filterValues: 6 })
  const hers = await made(ada, 'bob', 14)
  const his = await Promise.all(hers.map((_, at) => openDoc(ben, `alice/d${at}`, { timeoutMs: PATIENCE_MS })))
  await Promise.all(hers.map(shared => shared.setRole('bob', 'admin')))
  await eventually('roles', () => his.every(({ status }) => status.role === 'admin'))
})
