import { expect } from 'vitest'
import { nip } from './rules.ts'

const { rule } = nip('65')

rule('a relay list (kind 10002) is stored and served, the newest of each author', async ({ open, alice, bob, now }) => {
  const client = await open()
  const list = (who: typeof alice, ago: number) =>
    who.sign({
      kind: 10_002,
      created_at: now - ago,
      tags: [
        ['r', 'wss://relay.example.com'],
        ['r', 'wss://other.example.com', 'read'],
      ],
    })
  const [old, newer, bobs] = [list(alice, 9), list(alice, 5), list(bob, 7)]
  await client.store(old, newer, bobs)
  expect(await client.ids({ kinds: [10_002], authors: [alice.pubkey, bob.pubkey] })).toEqual([newer.id, bobs.id])
  expect(await client.ids({ kinds: [10_002], '#r': ['wss://other.example.com'], authors: [alice.pubkey] })).toEqual([
    newer.id,
  ])
})
