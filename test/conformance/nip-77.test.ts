import { expect } from 'vitest'
import { endOf, type Frame, isFor } from '../relay/wire.ts'
import { type Client, nip } from './rules.ts'

const CAP = 20
const { rule } = nip('77', { limits: { negentropyRecords: CAP, negentropySessions: 2 } })

/** Version 0x61; one range up to infinity (0, no prefix); mode 2, a list of no ids: "I have nothing". */
const NOTHING = '6100000200'
const ids = (frame: Frame): string[] => {
  const message = String(frame[2])
  expect(frame[0]).toBe('NEG-MSG')
  expect(message.slice(0, 8)).toBe('61000002')
  const count = Number.parseInt(message.slice(8, 10), 16)
  expect(message).toHaveLength(10 + 64 * count)
  return Array.from({ length: count }, (_, n) => message.slice(10 + 64 * n, 74 + 64 * n))
}
const ask = (client: Client, ...frame: unknown[]) => {
  client.send(...frame)
  return client.find(([type, sub]) => (type === 'NEG-MSG' || type === 'NEG-ERR') && sub === frame[1])
}

rule('NEG-OPEN is answered by NEG-MSG with what the filter finds, and NEG-CLOSE by nothing', async scene => {
  const { open, alice, bob, now } = scene
  const client = await open()
  const events = [1, 2, 3].map(n => alice.sign({ created_at: now - n }))
  await client.store(...events, bob.sign({ created_at: now }))
  const answer = await ask(client, 'NEG-OPEN', 'n', { authors: [alice.pubkey] }, NOTHING)
  expect(answer.slice(0, 2)).toEqual(['NEG-MSG', 'n'])
  expect(ids(answer).sort()).toEqual(events.map(({ id }) => id).sort())
  client.send('NEG-CLOSE', 'n')
  client.send('NEG-CLOSE', 'unknown')
  client.send('REQ', 'after', { limit: 0 })
  expect((await client.until(endOf('after'))).map(([type]) => type)).toEqual(['EOSE'])
})

rule('records are sorted by time, of one second by id', async ({ open, alice, now }) => {
  const client = await open()
  const events = Array.from({ length: 9 }, (_, n) => alice.sign({ created_at: now - (n % 3), content: `${n}` }))
  await client.store(...events)
  const sorted = events.sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1))
  const answer = await ask(client, 'NEG-OPEN', 'n', { authors: [alice.pubkey] }, NOTHING)
  expect(ids(answer)).toEqual(sorted.map(({ id }) => id))
})

rule('NEG-MSG goes on with an open reconciliation, over the set as it was opened', async ({ open, alice, now }) => {
  const client = await open()
  const [first, late] = [alice.sign({ created_at: now - 1 }), alice.sign({ created_at: now })]
  await client.store(first)
  await ask(client, 'NEG-OPEN', 'n', { authors: [alice.pubkey] }, NOTHING)
  await client.store(late)
  expect(ids(await ask(client, 'NEG-MSG', 'n', NOTHING))).toEqual([first.id])
})

rule('ids of reconciliations and of REQ are apart', async ({ open, alice, now }) => {
  const client = await open()
  await client.request('same', { authors: [alice.pubkey] })
  await ask(client, 'NEG-OPEN', 'same', { authors: [alice.pubkey] }, NOTHING)
  client.send('NEG-CLOSE', 'same')
  const event = alice.sign({ created_at: now })
  await (await open()).store(event)
  expect(await client.find(isFor('EVENT'))).toEqual(['EVENT', 'same', event])
  await ask(client, 'NEG-OPEN', 'same', { authors: [alice.pubkey] }, NOTHING)
  client.send('CLOSE', 'same')
  expect(ids(await ask(client, 'NEG-MSG', 'same', NOTHING))).toEqual([event.id])
})

rule('opening an id again closes what was open under it', async ({ open, alice, bob, now }) => {
  const client = await open()
  const [hers, his] = [alice.sign({ created_at: now }), bob.sign({ created_at: now })]
  await client.store(hers, his)
  await ask(client, 'NEG-OPEN', 'n', { authors: [alice.pubkey] }, NOTHING)
  // More often than there may be sessions: each closes the one before.
  for (let n = 0; n < 4; n += 1)
    expect(ids(await ask(client, 'NEG-OPEN', 'n', { authors: [bob.pubkey] }, NOTHING))).toEqual([his.id])
  expect(ids(await ask(client, 'NEG-MSG', 'n', NOTHING))).toEqual([his.id])
})

rule('NEG-ERR `blocked:` names the cap where a filter finds too much', async ({ open, alice, now }) => {
  const client = await open()
  await client.store(...Array.from({ length: CAP + 1 }, (_, n) => alice.sign({ created_at: now - n })))
  const filter = { authors: [alice.pubkey] }
  expect(await ask(client, 'NEG-OPEN', 'n', filter, NOTHING)).toEqual([
    'NEG-ERR',
    'n',
    expect.stringMatching(/^blocked: /),
    CAP,
  ])
  expect(ids(await ask(client, 'NEG-OPEN', 'n', { ...filter, since: now - 4 }, NOTHING))).toHaveLength(5)
})

rule('NEG-ERR `closed:` where no reconciliation is open under the id', async ({ open, alice }) => {
  const client = await open()
  expect(await ask(client, 'NEG-MSG', 'n', NOTHING)).toEqual(['NEG-ERR', 'n', expect.stringMatching(/^closed: /)])
  await ask(client, 'NEG-OPEN', 'n', { authors: [alice.pubkey] }, NOTHING)
  client.send('NEG-CLOSE', 'n')
  expect(await ask(client, 'NEG-MSG', 'n', NOTHING)).toEqual(['NEG-ERR', 'n', expect.stringMatching(/^closed: /)])
})

rule(
  'to another version of the protocol the answer is the highest one spoken here, 0x61, and nothing else',
  async scene => {
    const client = await scene.open()
    for (const version of ['60', '62', '6f'])
      expect(await ask(client, 'NEG-OPEN', 'n', { ids: [] }, `${version}000002ff`)).toEqual(['NEG-MSG', 'n', '61'])
  },
)

rule('what is no message gets NEG-ERR', async ({ open }) => {
  const client = await open()
  for (const message of ['', 'xyz', '6', '7f', '610000', '61000003', 5, null])
    expect(await ask(client, 'NEG-OPEN', 'n', { ids: [] }, message)).toEqual([
      'NEG-ERR',
      'n',
      expect.stringMatching(/^invalid: /),
    ])
  expect(await ask(client, 'NEG-OPEN', 'n', { ids: ['x'] }, NOTHING)).toEqual([
    'NEG-ERR',
    'n',
    expect.stringMatching(/^invalid: /),
  ])
})

rule('private kinds are left out for those who may not read them', async ({ open, alice, bob, carol, now }) => {
  const client = await open()
  const mail = carol.sign({ kind: 4, created_at: now, tags: [['p', bob.pubkey]] })
  const note = carol.sign({ created_at: now })
  await client.store(mail, note)
  const filter = { authors: [carol.pubkey] }
  expect(await ask(client, 'NEG-OPEN', 'n', { kinds: [4] }, NOTHING)).toEqual([
    'NEG-ERR',
    'n',
    expect.stringMatching(/^auth-required: /),
  ])
  expect(ids(await ask(client, 'NEG-OPEN', 'n', filter, NOTHING))).toEqual([note.id])
  await client.login(alice)
  expect(ids(await ask(client, 'NEG-OPEN', 'n', filter, NOTHING))).toEqual([note.id])
  await client.login(bob)
  expect(ids(await ask(client, 'NEG-OPEN', 'n', filter, NOTHING)).sort()).toEqual([mail.id, note.id].sort())
})
