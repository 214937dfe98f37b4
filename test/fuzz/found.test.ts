import { expect, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { startRelay } from '../relay/relay-on-test.ts'
import { hintsOf, idsOf, isFor, READS_HINTS } from '../relay/wire.ts'

// What the fuzzers of this folder once found, one test each.

test('mail is served to its party also beside a kind that is served to nobody', async () => {
  const { url, connect } = await startRelay()
  const [alice, bob] = [person('alice'), person('bob')]
  const wire = await connect(READS_HINTS)
  const tags = [
    ['relay', url],
    ['challenge', wire.challenge],
  ]
  const login = bob.sign({ kind: 22_242, created_at: nowSeconds(), tags })
  wire.send('AUTH', login)
  await wire.find(isFor('OK', login.id))
  const mail = alice.sign({ kind: 4, created_at: nowSeconds(), tags: [['p', bob.pubkey]] })
  await wire.publish(mail)
  const frames = await wire.request('s', { kinds: [4, 34_707] })
  expect(idsOf(frames)).toEqual([mail.id])
  expect(hintsOf(frames.at(-1))).toHaveProperty('withheld')
})
