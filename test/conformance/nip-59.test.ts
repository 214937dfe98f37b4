import { expect } from 'vitest'
import { isFor } from '../relay/wire.ts'
import { nip } from './rules.ts'

const DAY = 86_400
const { rule, leftOut } = nip('59', { limits: { createdAtPast: 3_600 } })

rule(
  'kind 1059 and its ephemeral sibling 21059 are served only to an authenticated key that they name',
  async scene => {
    const { open, alice, bob, carol, now } = scene
    // Each of them subscribes, and only then authenticates or not: mail for bob, sent by nobody's key.
    const [stranger, other, recipient, sender] = [await open(), await open(), await open(), await open()]
    await other.login(alice)
    await recipient.login(bob)
    const wrap = carol.sign({ kind: 1059, created_at: now, tags: [['p', bob.pubkey]], content: 'sealed' })
    const fleeting = carol.sign({ kind: 21_059, created_at: now, tags: [['p', bob.pubkey]], content: 'sealed' })
    for (const client of [stranger, other, recipient]) await client.request('live', { authors: [carol.pubkey] })
    await sender.store(wrap, fleeting)
    expect([await recipient.next(), await recipient.next()]).toEqual([
      ['EVENT', 'live', wrap],
      ['EVENT', 'live', fleeting],
    ])
    expect(await recipient.ids({ kinds: [1059] })).toEqual([wrap.id])
    for (const client of [stranger, other]) {
      expect(await client.ids({ authors: [carol.pubkey] })).toEqual([])
      await client.quiet()
      expect(client.received.filter(isFor('EVENT'))).toEqual([])
    }
    expect(await stranger.closedFor({ kinds: [1059] })).toMatch(/^auth-required: /)
  },
)

rule(
  'wraps are dated back on purpose: no lower limit on created_at holds for them',
  async ({ open, alice, bob, now }) => {
    const client = await open()
    const created_at = now - 2 * DAY
    expect(await client.refused(alice.sign({ created_at }))).toMatch(/^invalid: /)
    const wrap = alice.sign({ kind: 1059, created_at, tags: [['p', bob.pubkey]] })
    await client.store(wrap)
  },
)

rule('new mail is found by the log’s order, not by its created_at', async ({ open, alice, bob, now }) => {
  const client = await open()
  await client.login(bob)
  const filter = { kinds: [1059], '#p': [bob.pubkey] }
  const wrap = (ago: number) => alice.sign({ kind: 1059, created_at: now - ago, tags: [['p', bob.pubkey]] })
  const [first, second] = [wrap(10), wrap(2 * DAY)]
  await client.store(first)
  const page = await client.request('page', { ...filter, since_seq: 0 })
  const [, , , seq] = page.find(isFor('EVENT')) ?? []
  const epoch = page[0]?.[3]
  await client.store(second)
  expect(await client.ids({ ...filter, since_seq: seq, epoch })).toEqual([second.id])
})

rule('the recipient may delete a wrap, although a random key signed it; others may not', async scene => {
  const { open, alice, bob, carol, now } = scene
  const client = await open()
  await client.login(bob)
  const wrap = carol.sign({ kind: 1059, created_at: now, tags: [['p', bob.pubkey]] })
  const request = (who: typeof alice) => who.sign({ kind: 5, created_at: now, tags: [['e', wrap.id]] })
  await client.store(wrap, request(alice))
  expect(await client.ids({ ids: [wrap.id] })).toEqual([wrap.id])
  await client.store(request(bob))
  expect(await client.ids({ ids: [wrap.id] })).toEqual([])
  expect(await client.refused(wrap)).toMatch(/^blocked: /)
})

rule('a wrap is accepted from any connection: its author is nobody’s key', async ({ open, alice, bob, now }) => {
  const client = await open()
  await client.login(alice)
  await client.store(bob.sign({ kind: 1059, created_at: now, tags: [['p', alice.pubkey]] }))
})

leftOut(
  'seals (kind 13) and rumors are made, opened and checked',
  'work of clients; the relay never sees inside a wrap',
)
