import type { NostrEvent } from 'posthorn/protocol'
import { saneDefaults } from 'posthorn/relay'
import { expect } from 'vitest'
import { person } from '../helpers/events.ts'
import { type Client, nip, type Scene } from './rules.ts'

const owner = person('owner of the relay of NIP-43')
const { rule } = nip('43', { policy: saneDefaults({ members: true }), owners: [owner.pubkey] })

const selfOf = async (httpUrl: string): Promise<string> =>
  (await (await fetch(httpUrl, { headers: { accept: 'application/nostr+json' } })).json()).self

async function as(who: typeof owner, { open }: Scene): Promise<Client> {
  const client = await open()
  expect((await client.login(who))[2]).toBe(true)
  return client
}

async function invite(scene: Scene): Promise<NostrEvent> {
  const [frame] = await (await as(owner, scene)).request('invite', { kinds: [28_935] })
  return frame?.[2] as NostrEvent
}
const claimOf = (event: NostrEvent): string => String(event.tags.find(([name]) => name === 'claim')?.[1])
const joining = (who: typeof owner, claim: string, at: number) =>
  who.sign({ kind: 28_934, created_at: at, tags: [['-'], ['claim', claim]] })
const leaving = (who: typeof owner, at: number) => who.sign({ kind: 28_936, created_at: at, tags: [['-']] })
const listOf = async (client: Client): Promise<NostrEvent | undefined> => {
  const [frame] = await client.request('list', { kinds: [13_534] })
  client.send('CLOSE', 'list')
  return frame?.[0] === 'EVENT' ? (frame[2] as NostrEvent) : undefined
}

rule('an invite (kind 28935) is made on request, signed by the relay, with a claim and a "-" tag', async scene => {
  const event = await invite(scene)
  expect(event).toMatchObject({ kind: 28_935, pubkey: await selfOf(scene.httpUrl) })
  expect(event.tags).toContainEqual(['-'])
  expect(claimOf(event)).not.toBe(claimOf(await invite(scene)))
})

rule(
  'a join request (kind 28934) with a valid claim is answered by OK true, with a wrong one by `restricted:`',
  async scene => {
    const { alice, now } = scene
    const client = await as(alice, scene)
    expect(await client.refused(joining(alice, '00'.repeat(16), now))).toMatch(/^restricted: /)
    await client.store(joining(alice, claimOf(await invite(scene)), now))
    expect(await client.publish(joining(alice, 'any', now - 1))).toMatchObject({
      2: true,
      3: expect.stringMatching(/^duplicate: /),
    })
  },
)

rule(
  'the list of members (kind 13534) is signed by the relay and has a "-" tag and a member tag for each',
  async scene => {
    const { alice, now } = scene
    const client = await as(alice, scene)
    await client.store(joining(alice, claimOf(await invite(scene)), now))
    const boss = await as(owner, scene)
    await expect.poll(async () => (await listOf(boss))?.tags).toContainEqual(['member', alice.pubkey])
    const list = await listOf(boss)
    expect(list?.pubkey).toBe(await selfOf(scene.httpUrl))
    expect(list?.tags).toContainEqual(['-'])
    expect(list?.tags).toContainEqual(['member', owner.pubkey])
  },
)

rule('who comes is told by kind 8000, who leaves (kind 28936) by kind 8001, both signed by the relay', async scene => {
  const { alice, now, httpUrl } = scene
  const client = await as(alice, scene)
  await client.store(joining(alice, claimOf(await invite(scene)), now))
  client.send('EVENT', leaving(alice, now))
  await client.find(frame => frame[0] === 'OK')
  const boss = await as(owner, scene)
  const told = async () => {
    const frames = await boss.request('told', { kinds: [8000, 8001], '#p': [alice.pubkey] })
    boss.send('CLOSE', 'told')
    return frames.flatMap(frame => (frame[0] === 'EVENT' ? [frame[2] as NostrEvent] : []))
  }
  await expect.poll(async () => (await told()).map(({ kind }) => kind).sort()).toEqual([8000, 8001])
  const self = await selfOf(httpUrl)
  for (const event of await told()) expect(event).toMatchObject({ pubkey: self, tags: expect.arrayContaining([['-']]) })
})

rule('a request is about now: one that is minutes old is refused', async scene => {
  const { alice, now } = scene
  const client = await as(alice, scene)
  expect(await client.refused(joining(alice, claimOf(await invite(scene)), now - 400))).toMatch(/^invalid: /)
})
