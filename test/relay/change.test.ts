import { createRelay, saneDefaults } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { startRelay } from './relay-on-test.ts'
import { connect as dial, isFor } from './wire.ts'

const alice = person('alice')

test('a policy that cannot be kept is refused, and nothing of the change holds', async () => {
  const { relay, connect } = await startRelay({ publicUrls: [], retention: [] })
  const wire = await connect()
  const members = saneDefaults({ members: true })
  expect(() => relay.change({ policy: members, retention: [{ maxAgeS: 60 }] })).toThrow('needs an owner')
  expect(() => relay.change({ policy: saneDefaults({ minPow: 20 }), retention: [{ maxAgeS: -1 }] })).toThrow()
  expect((await wire.publish(alice.sign({ created_at: nowSeconds() - 3_600 })))[2]).toBe(true)
})

test('where AUTH has no URL to compare with it cannot be demanded later', async () => {
  const relay = await createRelay()
  try {
    expect(() => relay.change({ policy: saneDefaults({ requireAuth: 'all' }) })).toThrow('set publicUrls')
  } finally {
    await relay.close()
  }
})

test('the document tells the policy that holds; slow queries and origins change too', async () => {
  const slow: string[] = []
  const { relay, url, connect } = await startRelay({
    slowQueryMs: 60_000,
    onSlowQuery: ({ shape }) => slow.push(shape),
  })
  const told = async () => {
    const response = await fetch(url.replace('ws', 'http'), { headers: { accept: 'application/nostr+json' } })
    return ((await response.json()) as { limitation: Record<string, unknown> }).limitation
  }
  const page = { origin: 'https://app.example' }
  const wire = await connect()
  await wire.request('a', { kinds: [1] })
  expect(await told()).toMatchObject({ auth_required: false })
  await expect(dial(url, page)).rejects.toThrow()
  relay.change({ policy: saneDefaults({ requireAuth: 'all' }), slowQueryMs: 0, allowOrigins: [page.origin] })
  expect(await told()).toMatchObject({ auth_required: true })
  expect(await wire.find(isFor('CLOSED', 'a'))).toBeDefined()
  ;(await dial(url, page)).socket.terminate()
  relay.change({ policy: saneDefaults() })
  await wire.request('b', { kinds: [1] })
  expect(slow).toEqual(['kinds'])
})
