import { connect } from 'posthorn'
import { expect, test } from 'vitest'
import { deltaTags } from '#dist/protocol/state.js'
import { nowSeconds } from '../../helpers/events.ts'
import { startRelay } from '../../helpers/start-relay.ts'
import { alice, bob, eventually, memoryAgent } from '../agents.ts'

const HUGE = 1e308
const SESSION = '018fcc25d0000001'
const slot = (n: number) => n.toString(16).padStart(12, '0')

/** What an author with a program of its own may write: JSON all of it. */
const WRITTEN: Readonly<Record<string, unknown>> = {
  [`+overflow/${slot(1)}a`]: [HUGE, 0],
  [`+overflow/${slot(2)}b`]: [HUGE, 0],
  [`+cancels/${slot(1)}a`]: [HUGE, 0],
  [`+cancels/${slot(2)}b`]: [0, HUGE],
  [`+negative/${slot(1)}a`]: [0, HUGE],
  [`+odd/${slot(1)}a`]: ['7', null, { a: 1 }],
  '+folded/': [HUGE, -HUGE, HUGE],
  '~up': [HUGE, 0, 0, -HUGE, -HUGE, HUGE],
  '~down': [-HUGE, 0, 0, HUGE, -HUGE, HUGE],
  '~ends': [0, 0, 0, 0, HUGE, -HUGE],
  '~later': [1, HUGE, 1e-308, 0, 0, HUGE],
  '~half': [HUGE, 0, 1e-308, -HUGE],
  '~words': ['1', 'x', {}, []],
}

test('numbers of others, however large or odd, are read as numbers within the limit, and alike after a restart', async () => {
  await using relay = await startRelay()
  const wire = await connect(relay.url)
  const event = alice.sign({
    kind: 34_701,
    created_at: nowSeconds(),
    tags: deltaTags({ o: 's', session: SESSION, n: 1, deps: [] }).map(tag => [...tag]),
    content: JSON.stringify(WRITTEN),
  })
  expect(await wire.publish(event)).toMatchObject({ accepted: true })
  await wire.close()
  const reader = await memoryAgent(bob, relay.url)
  const view = await reader.openState(alice.pubkey)
  await eventually('it is read', () => Object.keys(view.content().gauges).length === 6)
  const { counters, gauges } = view.content()
  for (const [name, value] of [...Object.entries(counters), ...Object.entries(gauges)]) {
    expect([name, Number.isFinite(value)]).toEqual([name, true])
    expect([name, Math.abs(value) <= Number.MAX_SAFE_INTEGER]).toEqual([name, true])
  }
  expect(counters).toMatchObject({ overflow: Number.MAX_SAFE_INTEGER, cancels: 0, negative: -Number.MAX_SAFE_INTEGER })
  expect(gauges).toMatchObject({ up: Number.MAX_SAFE_INTEGER, down: -Number.MAX_SAFE_INTEGER })
  // JSON has it as it was, and the one whose state it is goes on from there.
  expect(JSON.parse(JSON.stringify(view.content()))).toEqual(view.content())
  const owner = await memoryAgent(alice, relay.url)
  const own = await owner.state.open()
  await eventually('its owner has it', () => own.view.counter('negative') === -Number.MAX_SAFE_INTEGER)
  await own.count('cancels', 2)
  await own.moveGauge('up', -1)
  expect([own.view.counter('cancels'), own.view.gauge('up')]).toEqual([2, Number.MAX_SAFE_INTEGER - 1])
  await expect(own.count('cancels', Number.MAX_VALUE)).rejects.toMatchObject({ code: 'state-malformed' })
  await expect(own.setGauge('up', Number.NaN)).rejects.toMatchObject({ code: 'state-malformed' })
  expect(await own.flush()).toBe(true)
  await eventually('it is told', () => view.counter('cancels') === 2)
})
