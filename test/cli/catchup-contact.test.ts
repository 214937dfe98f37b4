import { expect, onTestFinished, test } from 'vitest'
import { npubOf } from '#dist/sdk/npub.js'
import { person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { json, posthorn } from './posthorn.ts'

const MAX_MS = 10_000

// Processes of their own: what is loaded on demand is loaded there for the first time, after the relay was caught up with.
test('catchup of a profile that has accepted somebody ends when everything is here, not when its time is over', async () => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const env = { XDG_DATA_HOME: tempDir() }
  await posthorn(['init', '--as', 'ann', '--relay', relay.url], { env })
  const eve = npubOf(person('eve, accepted').pubkey)
  expect((await posthorn(['contact', 'add', 'eve', eve, '--as', 'ann'], { env })).code).toBe(0)
  const caught = await posthorn(['catchup', '--as', 'ann', '--max-ms', String(MAX_MS), '--json'], { env })
  expect([caught.code, json(caught)]).toMatchObject([0, { complete: true }])
  expect(json(caught)['ms']).toBeLessThan(MAX_MS)
})
