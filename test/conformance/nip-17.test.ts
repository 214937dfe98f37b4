import { expect } from 'vitest'
import { nip } from './rules.ts'

const { rule, leftOut } = nip('17')

rule('a list of relays for private mail (kind 10050) is stored and served, the newest of each author', async scene => {
  const { open, alice, bob, now } = scene
  const client = await open()
  const list = (who: typeof alice, ago: number, url: string) =>
    who.sign({ kind: 10_050, created_at: now - ago, tags: [['relay', url]] })
  const [old, newer, bobs] = [
    list(alice, 9, 'wss://old.example.com'),
    list(alice, 5, 'wss://new.example.com'),
    list(bob, 7, 'wss://relay.example.com'),
  ]
  await client.store(old, newer, bobs)
  // Strangers read it: who wants to write to somebody must.
  expect(await (await open()).ids({ kinds: [10_050], authors: [alice.pubkey, bob.pubkey] })).toEqual([
    newer.id,
    bobs.id,
  ])
})

rule('gift wraps (kind 1059) are served only to the recipient they name, after AUTH', async scene => {
  const { open, alice, bob, carol, now } = scene
  const [sender, stranger, other, recipient] = [await open(), await open(), await open(), await open()]
  await other.login(alice)
  await recipient.login(bob)
  const wrap = carol.sign({ kind: 1059, created_at: now, tags: [['p', bob.pubkey]], content: 'sealed' })
  await sender.store(wrap)
  const filter = { kinds: [1059], '#p': [bob.pubkey] }
  expect(await recipient.ids(filter)).toEqual([wrap.id])
  expect(await other.ids(filter)).toEqual([])
  expect(await stranger.closedFor(filter)).toMatch(/^auth-required: /)
})

leftOut(
  'messages are unsigned rumors of kind 14 or 15, sealed and wrapped',
  'a rule for clients; a relay sees wraps alone',
)
