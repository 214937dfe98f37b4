import { expect } from 'vitest'
import { nip } from './rules.ts'

const { rule } = nip('09')

rule('only events by the same author are removed', async ({ open, alice, bob, now }) => {
  const client = await open()
  const note = alice.sign({ created_at: now - 2 })
  const page = alice.sign({ kind: 30_023, created_at: now - 2, tags: [['d', 'x']] })
  const tags = [
    ['e', note.id],
    ['e', page.id],
    ['a', `30023:${alice.pubkey}:x`],
  ]
  await client.store(note, page, bob.sign({ kind: 5, created_at: now, tags }))
  expect((await client.ids({ authors: [alice.pubkey] })).sort()).toEqual([note.id, page.id].sort())
  await client.store(alice.sign({ kind: 5, created_at: now, tags }))
  expect(await client.ids({ ids: [note.id, page.id] })).toEqual([])
})

rule('the deletion request is kept and goes on being served', async ({ open, alice, now }) => {
  const client = await open()
  const note = alice.sign({ created_at: now - 2 })
  const request = alice.sign({ kind: 5, created_at: now, tags: [['e', note.id]] })
  await client.store(note, request)
  expect(await client.ids({ kinds: [5], '#e': [note.id] })).toEqual([request.id])
})

rule('an `a` tag removes the versions up to the request, and a newer version is accepted', async scene => {
  const { open, alice, now } = scene
  const client = await open()
  const version = (ago: number) => alice.sign({ kind: 30_023, created_at: now - ago, tags: [['d', 'x']] })
  const old = version(9)
  const request = alice.sign({ kind: 5, created_at: now - 5, tags: [['a', `30023:${alice.pubkey}:x`]] })
  await client.store(old, request)
  expect(await client.ids({ ids: [old.id] })).toEqual([])
  expect(await client.refused(version(6))).toMatch(/^blocked: /)
  expect(await client.refused(version(5))).toMatch(/^blocked: /)
  const newer = version(4)
  await client.store(newer)
  expect(await client.ids({ kinds: [30_023], authors: [alice.pubkey] })).toEqual([newer.id])
})

rule('a version newer than the request stays', async ({ open, alice, now }) => {
  const client = await open()
  const newer = alice.sign({ kind: 30_023, created_at: now - 1, tags: [['d', 'x']] })
  const request = alice.sign({ kind: 5, created_at: now - 5, tags: [['a', `30023:${alice.pubkey}:x`]] })
  await client.store(newer, request)
  expect(await client.ids({ ids: [newer.id] })).toEqual([newer.id])
})

rule('a deletion request against a deletion request does nothing', async ({ open, alice, now }) => {
  const client = await open()
  const note = alice.sign({ created_at: now - 3 })
  const first = alice.sign({ kind: 5, created_at: now - 2, tags: [['e', note.id]] })
  const second = alice.sign({ kind: 5, created_at: now - 1, tags: [['e', first.id]] })
  await client.store(note, first, second)
  expect(await client.ids({ ids: [first.id] })).toEqual([first.id])
  expect(await client.refused(note)).toMatch(/^blocked: /)
})

rule('an event deleted by id or by address is refused when it is sent again', async ({ open, alice, now }) => {
  const client = await open()
  const note = alice.sign({ created_at: now - 3 })
  const page = alice.sign({ kind: 30_023, created_at: now - 3, tags: [['d', 'x']] })
  const profile = alice.sign({ kind: 0, created_at: now - 3 })
  const tags = [
    ['e', note.id],
    ['a', `30023:${alice.pubkey}:x`],
    ['a', `0:${alice.pubkey}:`],
  ]
  await client.store(note, page, profile, alice.sign({ kind: 5, created_at: now, tags }))
  for (const event of [note, page, profile]) expect(await client.refused(event)).toMatch(/^blocked: deleted/)
  expect(await client.ids({ ids: [note.id, page.id, profile.id] })).toEqual([])
})

rule('a request that comes before its target still bites, by id and by address', async scene => {
  const { open, alice, bob, now } = scene
  const client = await open()
  const note = alice.sign({ created_at: now - 3 })
  const page = alice.sign({ kind: 30_023, created_at: now - 3, tags: [['d', 'x']] })
  const tags = [
    ['e', note.id],
    ['a', `30023:${alice.pubkey}:x`],
  ]
  // Somebody else's request leaves no mark.
  const foreign = bob.sign({ created_at: now - 3 })
  await client.store(alice.sign({ kind: 5, created_at: now, tags: [...tags, ['e', foreign.id]] }))
  for (const event of [note, page]) expect(await client.refused(event)).toMatch(/^blocked: deleted/)
  await client.store(foreign)
})

rule('what is removed is gone from REQ, COUNT, log order and search', async scene => {
  const { open, alice, now } = scene
  const client = await open()
  const note = alice.sign({ created_at: now - 3, content: 'regretted thoroughly' })
  await client.store(note, alice.sign({ kind: 5, created_at: now, tags: [['e', note.id]] }))
  const filter = { authors: [alice.pubkey], kinds: [1] }
  expect(await client.ids(filter)).toEqual([])
  expect((await client.count(filter))[2]).toEqual({ count: 0 })
  expect(await client.ids({ ...filter, since_seq: 0 })).toEqual([])
  expect(await client.ids({ ...filter, search: 'regretted' })).toEqual([])
})

rule(
  'a version dated after the request that names it lets go of its address; what is older than the request stays gone',
  async scene => {
    const { open, alice, now } = scene
    const client = await open()
    const version = (ahead: number) => alice.sign({ kind: 30_023, created_at: now + ahead, tags: [['d', 'x']] })
    const [old, ahead, right] = [version(-500), version(800), version(0)]
    await client.store(old, ahead)
    expect(await client.refused(right)).toMatch(/^invalid: outdated/)
    await client.store(alice.sign({ kind: 5, created_at: now - 300, tags: [['e', ahead.id]] }))
    expect(await client.refused(ahead)).toMatch(/^blocked: /)
    expect(await client.refused(old)).toMatch(/^invalid: outdated/)
    await client.store(right)
    expect(await client.ids({ kinds: [30_023], authors: [alice.pubkey] })).toEqual([right.id])
  },
)
