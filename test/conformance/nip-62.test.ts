import { saneDefaults } from 'posthorn/relay'
import { expect } from 'vitest'
import { type Person, person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { ask, authorize } from '../relay/http-client.ts'
import { nip, openClient } from './rules.ts'

const { rule } = nip('62')

async function ban(httpUrl: string, owner: Person, pubkey: string): Promise<void> {
  const body = JSON.stringify({ method: 'banpubkey', params: [pubkey] })
  const headers = {
    'content-type': 'application/nostr+json+rpc',
    ...authorize(owner, httpUrl, { method: 'POST', body }),
  }
  expect((await ask(httpUrl, { method: 'POST', body, headers })).body).toEqual({ result: true })
}

const vanish = (relay: string) => [['relay', relay]]

rule('a request that names this relay, in any spelling, or ALL_RELAYS, is kept and obeyed', async scene => {
  const { open, alice, url, now } = scene
  for (const name of [url, `${url}/`, url.replace('127.0.0.1', 'LOCALHOST'), 'ALL_RELAYS']) {
    const who = person(`vanishing by ${name.replace(/\d+/g, 'n')} ${alice.pubkey}`)
    const client = await open()
    const note = who.sign({ created_at: now - 5 })
    const request = who.sign({ kind: 62, created_at: now, tags: vanish(name) })
    await client.store(note, request)
    expect(await client.ids({ authors: [who.pubkey] }), name).toEqual([request.id])
  }
})

rule('a request that names other relays only is refused and removes nothing', async ({ open, alice, now }) => {
  const client = await open()
  const note = alice.sign({ created_at: now - 5 })
  await client.store(note)
  for (const tags of [vanish('wss://other.example.com'), vanish('all_relays'), []])
    expect(await client.refused(alice.sign({ kind: 62, created_at: now, tags }))).toMatch(/^invalid: /)
  expect(await client.ids({ authors: [alice.pubkey] })).toEqual([note.id])
})

rule('everything of that key up to its created_at goes, deletion requests too; what is newer stays', async scene => {
  const { open, alice, bob, now } = scene
  const client = await open()
  const old = [
    alice.sign({ created_at: now - 50 }),
    alice.sign({ kind: 0, created_at: now - 50 }),
    alice.sign({ kind: 30_023, created_at: now - 50, tags: [['d', 'x']] }),
    alice.sign({ kind: 5, created_at: now - 49, tags: [['e', '0'.repeat(64)]] }),
    alice.sign({ created_at: now - 10 }),
  ]
  const newer = alice.sign({ created_at: now - 9 })
  const others = bob.sign({ created_at: now - 50, tags: [['p', alice.pubkey]] })
  const request = alice.sign({ kind: 62, created_at: now - 10, tags: vanish('ALL_RELAYS') })
  await client.store(...old, newer, others, request)
  expect(await client.ids({ authors: [alice.pubkey] })).toEqual([newer.id, request.id])
  expect(await client.ids({ authors: [bob.pubkey] })).toEqual([others.id])
  expect((await client.count({ authors: [alice.pubkey] }))[2]).toEqual({ count: 2 })
})

rule('gift wraps addressed to the key go too', async ({ open, alice, bob, carol, now }) => {
  const client = await open()
  await client.login(alice)
  await client.login(bob)
  const wrap = (to: typeof alice) => carol.sign({ kind: 1059, created_at: now - 50, tags: [['p', to.pubkey]] })
  const [hers, his] = [wrap(alice), wrap(bob)]
  await client.store(hers, his, alice.sign({ kind: 62, created_at: now, tags: vanish('ALL_RELAYS') }))
  expect(await client.ids({ kinds: [1059], authors: [carol.pubkey] })).toEqual([his.id])
})

rule('what has vanished is refused when anybody sends it again', async ({ open, alice, carol, now }) => {
  const client = await open()
  const note = alice.sign({ created_at: now - 50 })
  const wrap = carol.sign({ kind: 1059, created_at: now - 50, tags: [['p', alice.pubkey]] })
  await client.store(note, alice.sign({ kind: 62, created_at: now - 10, tags: vanish('ALL_RELAYS') }))
  const late = alice.sign({ created_at: now - 11, content: 'never seen here' })
  for (const event of [note, late, wrap]) expect(await (await open()).refused(event)).toMatch(/^blocked: /)
  await client.store(alice.sign({ created_at: now - 9 }))
})

rule('a deletion request against a request to vanish has no effect', async ({ open, alice, now }) => {
  const client = await open()
  const note = alice.sign({ created_at: now - 50 })
  const request = alice.sign({ kind: 62, created_at: now - 10, tags: vanish('ALL_RELAYS') })
  await client.store(note, request, alice.sign({ kind: 5, created_at: now, tags: [['e', request.id]] }))
  expect(await client.ids({ ids: [request.id] })).toEqual([request.id])
  expect(await client.refused(note)).toMatch(/^blocked: /)
})

rule('membership, kinds allowed and bans are no excuse: who may not write here may still vanish', async scene => {
  const { alice, bob, carol, now } = scene
  const policy = saneDefaults({ members: true, allowKinds: [1] })
  const running = await startRelay({ policy, owners: [bob.pubkey] })
  try {
    const client = await openClient(running.url)
    await client.login(bob)
    // A member hands in what a former member wrote.
    const note = alice.sign({ created_at: now - 50 })
    await client.store(note)
    const leaver = await openClient(running.url)
    await leaver.login(alice)
    expect(await leaver.refused(alice.sign({ created_at: now }))).toMatch(/^restricted: /)
    await leaver.store(alice.sign({ kind: 62, created_at: now, tags: vanish('ALL_RELAYS') }))
    expect(await client.ids({ ids: [note.id] })).toEqual([])
    await client.store(carol.sign({ created_at: now - 50, content: 'to be banned' }))
    await ban(running.httpUrl, bob, carol.pubkey)
    expect(await leaver.refused(carol.sign({ created_at: now }))).toMatch(/^blocked: /)
    // Where writing needs AUTH, a key vanishes by its own word alone.
    const request = carol.sign({ kind: 62, created_at: now, tags: vanish('ALL_RELAYS') })
    expect(await leaver.refused(request)).toMatch(/^restricted: /)
    await leaver.login(carol)
    await leaver.store(carol.sign({ kind: 62, created_at: now, tags: vanish('ALL_RELAYS') }))
    expect(await client.ids({ authors: [carol.pubkey], kinds: [1] })).toEqual([])
  } finally {
    await running[Symbol.asyncDispose]()
  }
})
