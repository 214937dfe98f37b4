import { CardError, connect, memoryShelf } from 'posthorn'
import { expect, test } from 'vitest'
import { parseCard } from '#dist/sdk/card/shape.js'
import { nowSeconds } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, carol, eventually, memoryAgent } from './agents.ts'

const skill = (id: string, ...tags: string[]) => ({ id, name: id, description: `does ${id}`, tags })

test('a first start publishes a minimal card; what is set is kept, found by skill and words, newest only', async () => {
  await using relay = await startRelay()
  const shelf = memoryShelf()
  const a = await memoryAgent(alice, relay.url, { presence: true, host: { shelf } })
  const b = await memoryAgent(bob, relay.url)
  await b.sync()
  await eventually('the first card is there', () => a.card.own !== undefined)
  expect(a.card.own).toMatchObject({ name: 'alice', skills: [], defaultInputModes: ['text/plain'] })
  await a.card.set({ description: 'Finds bugs', skills: [skill('review', 'Code', 'typescript')] })
  await a.card.set({ version: '2' })
  for (const query of [
    { skill: 'code' },
    { skill: 'Review' },
    { text: 'BUGS finds' },
    { skill: 'code', text: 'does' },
    {},
  ]) {
    const found = await b.card.find(query)
    expect(found).toMatchObject([
      { pubkey: alice.pubkey, npub: a.npub, card: { version: '2', description: 'Finds bugs' } },
    ])
  }
  expect(await b.card.find({ skill: 'cooking' })).toEqual([])
  expect(await b.card.find({ text: 'finds elephants' })).toEqual([])
  expect((await b.card.get('alice'))?.card.skills[0]).toEqual(skill('review', 'Code', 'typescript'))
  expect(await b.card.get(carol.pubkey)).toBeUndefined()
  await a.close()
  const again = await memoryAgent(alice, relay.url, { presence: true, host: { shelf } })
  expect(again.card.own).toMatchObject({ version: '2' })
})

test('what another program of the same key has set is adopted, not overwritten', async () => {
  await using relay = await startRelay()
  const one = await memoryAgent(alice, relay.url, { presence: true })
  await one.sync()
  await one.card.set({ description: 'set elsewhere' })
  const other = await memoryAgent(alice, relay.url, { presence: true })
  await eventually('it is adopted', () => other.card.own?.description === 'set elsewhere')
  await one.card.set({ description: 'and again' })
  await one.close()
})

test('junk among the cards is passed over: shapes, sizes, claims to be somebody else’s skill', async () => {
  await using relay = await startRelay()
  const client = await connect(relay.url)
  const publish = (who: typeof alice, content: string) =>
    client.publish(who.sign({ kind: 14_705, created_at: nowSeconds(), tags: [['t', 'code']], content }))
  await publish(alice, '{"name":1}')
  await publish(bob, 'x'.repeat(40_000))
  await publish(carol, JSON.stringify({ ...minimal, skills: [skill('cooking')] }))
  const b = await memoryAgent(bob, relay.url)
  await b.sync()
  expect(await b.card.find({ skill: 'code' })).toEqual([])
  expect(await b.card.find({ skill: 'cooking' })).toEqual([])
  expect((await b.card.find()).map(({ pubkey }) => pubkey)).toEqual([carol.pubkey])
  await client.close()
})

const minimal = {
  name: 'n',
  description: '',
  version: '1',
  supportedInterfaces: [],
  capabilities: {},
  defaultInputModes: [],
  defaultOutputModes: [],
  skills: [],
}

test.each([
  ['no object', '[]'],
  ['no name', JSON.stringify({ ...minimal, name: undefined })],
  ['a skill without tags', JSON.stringify({ ...minimal, skills: [{ id: 'x', name: 'x', description: '' }] })],
  ['65 skills', JSON.stringify({ ...minimal, skills: Array(65).fill(skill('x')) })],
  ['a text too long', JSON.stringify({ ...minimal, description: 'x'.repeat(4_097) })],
  ['capabilities that are a list', JSON.stringify({ ...minimal, capabilities: [] })],
  ['a lone surrogate', JSON.stringify({ ...minimal, name: '\ud800' })],
  ['an inherited name', '{"__proto__":{"name":"x"}}'],
])('%s is no card', (_, text) => expect(parseCard(text).ok).toBe(false))

test('64 skills and 4,096 characters are; unknown fields are dropped; what is malformed cannot be set', async () => {
  const card = parseCard(
    JSON.stringify({
      ...minimal,
      description: 'x'.repeat(4_096),
      skills: Array(64).fill(skill('x')),
      signatures: [{}],
    }),
  )
  expect(card.ok && card.value).not.toHaveProperty('signatures')
  expect(card.ok && Object.isFrozen(card.value)).toBe(true)
  await using relay = await startRelay()
  const a = await memoryAgent(alice, relay.url)
  await expect(a.card.set({ description: 'x'.repeat(4_097) })).rejects.toBeInstanceOf(CardError)
  expect(a.card.own).toBeUndefined()
})
