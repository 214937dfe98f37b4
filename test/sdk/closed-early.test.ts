import { setTimeout as wait } from 'node:timers/promises'
import { openAgent } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { tempDir } from '../helpers/temp-dir.ts'
import { bob, eventually, fastTimers } from './agents.ts'
import { scriptedRelay } from './scripted-relay.ts'

/** Three questions of 2 s each, this much faster. */
const SPEED = 100
const ALL_ANSWERS_MS = 500

test('an agent that is closed while it still asks where its recipient reads leaves nothing that fails later', async () => {
  const rejections: unknown[] = []
  const onRejection = (error: unknown) => rejections.push(error)
  process.on('unhandledRejection', onRejection)
  onTestFinished(() => {
    process.off('unhandledRejection', onRejection)
  })
  // Serves the inbox, and never says who reads where.
  const relay = await scriptedRelay(
    (peer, [type, sub]) => type === 'REQ' && peer.send('EOSE', sub, ['finish']),
    undefined,
    () => {},
  )
  const agent = await openAgent({
    home: tempDir(),
    relays: [relay.url],
    presence: false,
    announce: false,
    host: { timers: fastTimers(SPEED) },
  })
  await eventually('connected', () => agent.status().relays[0]?.state === 'live')
  await agent.send(bob.pubkey, 'where do you read?')
  await agent.close({ timeoutMs: 0 })
  await wait(ALL_ANSWERS_MS)
  expect(rejections).toEqual([])
})
