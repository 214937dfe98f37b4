import type { NostrEvent } from 'posthorn/protocol'
import { expect } from 'vitest'
import { hintsOf, idsOf, isFor } from '../relay/wire.ts'
import { nip } from './rules.ts'

const PAGE = 10
const { rule, leftOut } = nip('67', { limits: { page: PAGE }, eoseHints: 'always' })

const one = (events: readonly (NostrEvent | undefined)[]): string[] => events.flatMap(event => event?.id ?? [])

rule('`finish`: nothing older that matches is left', async ({ open, alice, now }) => {
  const client = await open()
  const events = Array.from({ length: PAGE }, (_, n) => alice.sign({ created_at: now - n }))
  await client.store(...events)
  for (const filter of [{}, { limit: PAGE }, { until: now }, { kinds: [7] }]) {
    const frames = await client.request('s', { authors: [alice.pubkey], ...filter })
    const eose = frames.at(-1)
    expect(eose?.slice(0, 2)).toEqual(['EOSE', 's'])
    expect(eose?.[2]).toContain('finish')
    expect(eose?.[2]).not.toContain('more')
  }
})

rule('`more`: a limit, the client’s or the relay’s own, has left something out', async ({ open, alice, now }) => {
  const client = await open()
  const events = Array.from({ length: PAGE + 3 }, (_, n) => alice.sign({ created_at: now - n }))
  await client.store(...events)
  for (const limit of [undefined, 1, PAGE, 400]) {
    const filter = { authors: [alice.pubkey], ...(limit === undefined ? {} : { limit }) }
    const eose = (await client.request('s', filter)).at(-1)
    expect(eose?.[2]).toContain('more')
    expect(eose?.[2]).not.toContain('finish')
  }
})

rule('no hint, which means unknown, where nothing stored was asked for', async ({ open }) => {
  const client = await open()
  const hints = hintsOf((await client.request('s', { limit: 0 })).at(-1))
  expect(hints).not.toHaveProperty('finish')
  expect(hints).not.toHaveProperty('more')
})

rule('where the relay’s own limit cuts, all events of the last second are sent', async ({ open, alice, now }) => {
  const client = await open()
  const events = Array.from({ length: PAGE + 4 }, (_, n) =>
    alice.sign({ created_at: n < PAGE - 1 ? now - n : now - 50, content: `${n}` }),
  )
  const older = alice.sign({ created_at: now - 51 })
  await client.store(...events, older)
  const frames = await client.request('s', { authors: [alice.pubkey] })
  expect(idsOf(frames).sort()).toEqual(one(events).sort())
  expect(frames.at(-1)?.[2]).toContain('more')
  // So a client that pages by `until` misses nothing.
  expect(await client.ids({ authors: [alice.pubkey], until: now - 51 })).toEqual([older.id])
})

rule('an empty page tells `finish` too, and the third element is a list of strings', async ({ open, alice }) => {
  const client = await open()
  const eose = (await client.request('s', { authors: [alice.pubkey] })).find(isFor('EOSE'))
  expect(eose).toHaveLength(3)
  expect(eose?.[2]).toSatisfy(hints => Array.isArray(hints) && hints.every(hint => typeof hint === 'string'))
  expect(eose?.[2]).toContain('finish')
})

leftOut('hints that are not known are ignored', 'a rule for clients; ours is held to it in test/protocol')
