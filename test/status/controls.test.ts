import type { Agent, OwnState } from 'posthorn'
import type { Commit, Store } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { type Lies, live } from './history.ts'
import type { Plan, Step } from './plan.ts'

const planOf = (...steps: Step[]): Plan => ({
  seed: 1,
  relays: 1,
  onDisk: false,
  layout: 'together',
  agents: ['ada', 'bob'].map(name => ({ name, relays: [0] })),
  steps,
})

/** The same agent, but for what `change` puts in place of its own. */
const lying = (change: (agent: Agent) => Partial<Agent>): Lies => ({
  agent(agent, { name }) {
    const told = name === 'ada' ? change(agent) : {}
    return new Proxy(agent, {
      get: (target, field) => Reflect.get(field in told ? told : target, field),
    })
  },
})

/** Acknowledges, and keeps nothing of it. */
const forgetful: Lies = {
  store: inner =>
    new Proxy<Store>(inner, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (name !== 'append') return typeof value === 'function' ? value.bind(target) : value
        let seq = 0
        return async (events: readonly object[]): Promise<Commit> => ({
          outcomes: events.map(() => {
            seq += 1
            return { status: 'stored', seq }
          }),
          entries: [],
          last: 0,
        })
      },
    }),
}

const OPEN: readonly Step[] = [
  { do: 'open', who: 'ada' },
  { do: 'open', who: 'bob' },
]
const SEND: Step = { do: 'send', who: 'ada', to: 'bob', act: 'inform' }
const STOP: Step = { do: 'stop', relay: 0 }

/** Broken agents and relays, and what has to be said of them. */
const LIES: readonly (readonly [string, Lies, readonly Step[], RegExp])[] = [
  [
    'an empty queue that is not',
    lying(agent => ({ status: () => ({ ...agent.status(), queue: 0 }) })),
    [...OPEN, STOP, SEND],
    /^queue empty: ada has nothing unsent/,
  ],
  [
    'stored where it never was',
    lying(agent => ({
      delivery: id => {
        const [relay] = agent.status().relays
        return agent.delivery(id) && relay ? { state: 'stored', relay: relay.url } : undefined
      },
    })),
    [...OPEN, STOP, SEND],
    /^stored: ada says that \w+ is stored at relay 0/,
  ],
  [
    'caught up without having asked',
    lying(agent => ({
      inbox: () => [],
      async sync() {
        const summary = await agent.sync({ maxMs: 1 })
        const relays = summary.relays.map(relay => ({ ...relay, status: 'live' as const }))
        return { ...summary, complete: true, relays }
      },
    })),
    [
      { do: 'open', who: 'ada' },
      { do: 'close', who: 'ada' },
      { do: 'open', who: 'bob' },
      { do: 'send', who: 'bob', to: 'ada', act: 'inform' },
      { do: 'settle', who: 'bob' },
      // Connected, and given nothing any more.
      { do: 'stall', relay: 0 },
      { do: 'open', who: 'ada' },
      { do: 'sync', who: 'ada' },
    ],
    /^complete: ada is caught up with relay 0 and lacks/,
  ],
  [
    'flushed, and at no relay',
    lying(agent => ({ state: { ...agent.state, flush: async () => true } as Agent['state'] & OwnState })),
    [...OPEN, STOP, { do: 'set', who: 'ada', key: 'k1', size: 5 }, { do: 'flush', who: 'ada' }],
    /^flushed: k1 is/,
  ],
  [
    'nothing unsent at the end',
    lying(agent => ({
      async close(options) {
        await agent.close(options)
        return { unsent: 0, untold: 0 }
      },
    })),
    [...OPEN, STOP, SEND, { do: 'close', who: 'ada' }],
    /^close: nothing unsent: ada has nothing unsent/,
  ],
  [
    'a relay that acknowledges and keeps nothing',
    forgetful,
    [...OPEN, SEND, { do: 'settle', who: 'ada' }],
    /^stored: /,
  ],
]

test('an honest history has no faults', async () => {
  const { faults } = await live(planOf(...OPEN, SEND, { do: 'sync', who: 'bob' }))
  expect(faults).toEqual([])
})

test.each(LIES)('%s is found', async (_, lies, steps, fault) => {
  const { faults } = await live(planOf(...steps), lies)
  expect(faults.filter(each => fault.test(each))).not.toEqual([])
})
