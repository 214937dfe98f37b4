import type { MailSnapshot } from 'posthorn/testing'
import { expect, test } from 'vitest'
import { type Home, live, type World } from './history.ts'
import type { Plan } from './plan.ts'

const PLAN: Plan = {
  seed: 1,
  relays: 1,
  agents: ['ada', 'bob'].map(name => ({ name, relays: [0] })),
  failing: 0,
  steps: [
    { do: 'save', who: 'ada' },
    { do: 'send', who: 'ada', to: ['bob'], act: 'inform' },
    { do: 'send', who: 'ada', to: ['bob'], act: 'inform' },
    { do: 'pass', ms: 5_000 },
  ],
}

type Rows = Map<string, Map<string, object>>

/** The agent goes on with mail that it has not written so. */
async function rewrite(world: World, name: string, change: (rows: Rows) => void): Promise<void> {
  const { mesh } = world
  const home = homeOf(world, name)
  const rows: Rows = new Map([...mesh.snapshot(name).rows].map(([table, kept]) => [table, new Map(kept)]))
  change(rows)
  home.agent = await mesh.restore(name, { rows } as MailSnapshot)
}

function homeOf({ homes }: World, name: string): Home {
  const home = homes.get(name)
  if (!home) throw new Error(`no ${name}`)
  return home
}

const tableOf = (rows: Rows, name: string): Map<string, object> => {
  const table = rows.get(name)
  if (!table) throw new Error(`no table ${name}`)
  return table
}

const first = <Value>(values: Iterable<Value>): Value => {
  for (const value of values) return value
  throw new Error('nothing there')
}

/** Broken agents and relays, and what has to be said of them. */
const HARM: readonly (readonly [string, (world: World) => Promise<void>, RegExp])[] = [
  [
    'an outbox that forgets',
    async world => {
      const ada = homeOf(world, 'ada')
      ada.agent = await world.mesh.restore('ada', first(ada.saved))
    },
    /ada promised \w+ and forgot it/,
  ],
  [
    'an inbox out of order',
    world =>
      rewrite(world, 'bob', rows => {
        rows.set('inbox', new Map([...tableOf(rows, 'inbox')].toReversed()))
      }),
    /bob got \w+ \(1\) from \S+ after 2/,
  ],
  [
    'an inbox that passed what it does not have',
    world =>
      rewrite(world, 'bob', rows => {
        const inbox = tableOf(rows, 'inbox')
        inbox.delete(first(inbox.keys()))
      }),
    /bob's cursor \d+ at \S+ passed \w+ at 1/,
  ],
  [
    'a table that grows',
    world =>
      rewrite(world, 'bob', rows => {
        for (let n = 0; n < 10; n += 1) tableOf(rows, 'relay-notes').set(`${n}`, { text: '{}', askedMs: 0 })
      }),
    /bob has 1\d rows in relay-notes/,
  ],
  [
    'positions that pile up',
    world =>
      rewrite(world, 'bob', rows => {
        const feeds = tableOf(rows, 'feeds')
        const [key, positions] = first(feeds) as [string, readonly object[]]
        const more = Array.from({ length: 20 }, (_, n) => ({ epoch: `${n}`.padStart(16, '0'), seq: 1, scope: `${n}` }))
        feeds.set(key, [...positions, ...more])
      }),
    /bob keeps \d+ positions of a feed/,
  ],
  [
    'a relay that throws away, and passes for honest',
    async world => {
      world.mesh.relays[0]?.lie({ drop: 1 })
      await homeOf(world, 'ada').agent.send('bob', 'thrown away', { act: 'inform' })
      await world.mesh.settle()
    },
    /inform \w+ of ada is 0 times with bob/,
  ],
  [
    'an effect twice',
    async world => {
      const bob = homeOf(world, 'bob')
      const id = await homeOf(world, 'ada').agent.send('bob', 'once', { act: 'request' })
      bob.finished.add(id)
      await world.mesh.settle()
    },
    /bob did \w+ again, which it had ended/,
  ],
  [
    'a receipt for what nobody had',
    async world => {
      for (const seen of world.seen.values()) seen.clear()
      await rewrite(world, 'bob', rows => tableOf(rows, 'inbox').clear())
    },
    /received by who never had it/,
  ],
]

test.each([
  ['timers that nobody cancels', 'timers', /1000 timers, at most/],
  ['connections that nobody closes', 'connections', /1000 connections for/],
] as const)('%s are found', async (_, name, fault) => {
  const { faults } = await live(PLAN, 'stand-in', async ({ mesh }) => {
    Object.defineProperty(name === 'timers' ? mesh : mesh.relays[0], name, { get: () => 1000 })
  })
  expect(faults.filter(each => fault.test(each))).not.toEqual([])
})

test('an unharmed history has no faults', async () => {
  expect((await live(PLAN, 'stand-in')).faults).toEqual([])
})

test.each(HARM)('%s is found', async (_, harm, fault) => {
  const { faults } = await live(PLAN, 'stand-in', harm)
  expect(faults.filter(each => fault.test(each))).not.toEqual([])
})
