import { expect } from 'vitest'
import { nip } from './rules.ts'

const { rule } = nip('70')

rule('an event with a "-" tag is refused before AUTH, with `auth-required:`', async ({ open, alice, now }) => {
  const client = await open()
  const event = alice.sign({ created_at: now, tags: [['-']] })
  expect(await client.refused(event)).toMatch(/^auth-required: /)
  expect(await client.ids({ authors: [alice.pubkey] })).toEqual([])
})

rule('it is accepted from its authenticated author, and from nobody else', async ({ open, alice, bob, now }) => {
  const client = await open()
  const event = alice.sign({ created_at: now, tags: [['t', 'x'], ['-']] })
  await client.login(bob)
  expect(await client.refused(event)).toMatch(/^restricted: /)
  await client.login(alice)
  await client.store(event)
  // It is protected from being published elsewhere, not from being read.
  expect(await (await open()).ids({ authors: [alice.pubkey] })).toEqual([event.id])
})

rule('a repost that embeds a protected event is refused, whoever sends it', async ({ open, alice, bob, now }) => {
  const client = await open()
  await client.login(alice)
  await client.login(bob)
  const guarded = alice.sign({ created_at: now, tags: [['-']] })
  const open_ = alice.sign({ created_at: now, content: 'open' })
  for (const kind of [6, 16]) {
    const repost = (of: typeof guarded) =>
      bob.sign({ kind, created_at: now, tags: [['e', of.id]], content: JSON.stringify(of) })
    expect(await client.refused(repost(guarded))).toMatch(/^blocked: /)
    await client.store(repost(open_))
  }
})
