import { expect } from 'vitest'
import { endOf, isFor } from '../relay/wire.ts'
import { nip } from './rules.ts'

const { rule } = nip('50')

rule('results come by relevance, not by time', async ({ open, alice, now }) => {
  const client = await open()
  const best = alice.sign({ created_at: now - 50, content: 'posthorn posthorn posthorn' })
  const worse = alice.sign({
    created_at: now - 1,
    content: `posthorn and very many other words about ${'something else '.repeat(20)}`,
  })
  await client.store(best, worse)
  expect(await client.ids({ search: 'posthorn', authors: [alice.pubkey] })).toEqual([best.id, worse.id])
})

rule('limit applies after ranking', async ({ open, alice, now }) => {
  const client = await open()
  const best = alice.sign({ created_at: now - 50, content: 'heron heron heron' })
  const newer = Array.from({ length: 5 }, (_, n) =>
    alice.sign({ created_at: now - n, content: `one heron among ${'many birds '.repeat(20)} ${n}` }),
  )
  await client.store(best, ...newer)
  expect(await client.ids({ search: 'heron', authors: [alice.pubkey], limit: 1 })).toEqual([best.id])
})

rule('unknown key:value extensions are ignored', async ({ open, alice, now }) => {
  const client = await open()
  const event = alice.sign({ created_at: now, content: 'a kingfisher' })
  await client.store(event)
  const search = 'kingfisher language:en nsfw:false whatever:x'
  expect(await client.ids({ search, authors: [alice.pubkey] })).toEqual([event.id])
  expect(await client.ids({ search: 'include:spam', authors: [alice.pubkey] })).toEqual([event.id])
})

rule('the other conditions of a filter hold for a search too', async ({ open, alice, bob, now }) => {
  const client = await open()
  const [hers, his] = [alice, bob].map(who => who.sign({ created_at: now, content: 'a cormorant' }))
  if (!hers || !his) throw new Error('two')
  await client.store(hers, his)
  expect(await client.ids({ search: 'cormorant', authors: [alice.pubkey] })).toEqual([hers.id])
  expect(await client.ids({ search: 'cormorant', authors: [bob.pubkey], kinds: [7] })).toEqual([])
  expect(await client.ids({ search: 'cormorant', authors: [bob.pubkey], until: now - 1 })).toEqual([])
})

rule('a search is answered once: EOSE, then CLOSED, and nothing live (the NIP leaves it open)', async scene => {
  const { open, alice, now } = scene
  const client = await open()
  client.send('REQ', 's', { search: 'bittern', authors: [alice.pubkey] })
  const frames = await client.until(isFor('CLOSED', 's'))
  expect(frames.map(([type]) => type)).toEqual(['EOSE', 'CLOSED'])
  await (await open()).store(alice.sign({ created_at: now, content: 'bittern' }))
  client.send('REQ', 'after', { limit: 0 })
  expect((await client.until(endOf('after'))).map(([type]) => type)).toEqual(['EOSE'])
})
