import { expect } from 'vitest'
import { nip, STANDARD_PREFIX } from './rules.ts'

const { rule } = nip('45')

rule('several filters give one number, each event counted once', async ({ open, alice, bob, now }) => {
  const client = await open()
  const notes = [1, 2, 3].map(n => alice.sign({ created_at: now - n, tags: [['t', bob.pubkey]] }))
  await client.store(...notes, bob.sign({ created_at: now }))
  const [mine, tagged] = [{ authors: [alice.pubkey] }, { '#t': [bob.pubkey] }]
  expect((await client.count(mine))[2]).toEqual({ count: 3 })
  expect((await client.count(mine, tagged))[2]).toEqual({ count: 3 })
  expect((await client.count(mine, tagged, { authors: [bob.pubkey] }))[2]).toEqual({ count: 4 })
  expect((await client.count({ ids: [] }))[2]).toEqual({ count: 0 })
})

rule('a refused COUNT is answered by CLOSED', async ({ open }) => {
  const client = await open()
  for (const filter of [{ kinds: [1059] }, { nothing: 1 }, { ids: ['x'] }]) {
    const [type, , reason] = await client.count(filter)
    expect(type).toBe('CLOSED')
    expect(reason).toMatch(STANDARD_PREFIX)
  }
})

rule('an exact count is not marked `approximate`', async ({ open, alice, now }) => {
  const client = await open()
  await client.store(alice.sign({ created_at: now }))
  // The frame has a count and nothing else.
  expect((await client.count({ authors: [alice.pubkey] }))[2]).toEqual({ count: 1 })
})

rule('a COUNT is no subscription: nothing follows its answer', async ({ open, alice, now }) => {
  const client = await open()
  await client.count({ authors: [alice.pubkey] })
  await (await open()).store(alice.sign({ created_at: now }))
  await client.quiet()
  expect(client.rest()).toEqual([])
})

rule(
  '`hll`: 256 registers over the authors, at the digit 32 of the tag’s value plus 8, as 512 hex characters',
  async ({ open, alice, bob, carol, now }) => {
    const client = await open()
    const target = alice.sign({ created_at: now })
    const people = [alice, bob, carol]
    // The second reaction of the same author changes nothing.
    for (const who of [...people, alice])
      await client.publish(
        who.sign({ kind: 7, created_at: now, tags: [['e', target.id]], content: `${who === alice}` }),
      )
    await client.store(alice.sign({ kind: 7, created_at: now, tags: [['e', target.id]], content: 'again' }))
    const offset = Number.parseInt(target.id[32] ?? '', 16) + 8
    const registers = new Uint8Array(256)
    for (const { pubkey } of people) {
      const bytes = Buffer.from(pubkey, 'hex')
      const bits = [...bytes.subarray(offset + 1)].map(byte => byte.toString(2).padStart(8, '0')).join('')
      const register = bytes[offset] ?? 0
      registers[register] = Math.max(registers[register] ?? 0, bits.indexOf('1') + 1)
    }
    expect((await client.count({ kinds: [7], '#e': [target.id] }))[2]).toEqual({
      count: 4,
      hll: Buffer.from(registers).toString('hex'),
    })
  },
)

rule('a filter without a tag condition has no `hll`, nor has a count over several', async ({ open, alice, now }) => {
  const client = await open()
  await client.store(alice.sign({ created_at: now, tags: [['t', 'x']] }))
  const filter = { kinds: [1], '#t': ['x'], authors: [alice.pubkey] }
  expect((await client.count({ kinds: [1], authors: [alice.pubkey] }))[2]).toEqual({ count: 1 })
  expect((await client.count(filter, { ids: [] }))[2]).toEqual({ count: 1 })
  expect((await client.count(filter))[2]).toHaveProperty('hll')
})
