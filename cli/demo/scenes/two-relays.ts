import { join } from 'node:path'
import type { RelayChild } from '../children.ts'
import { see } from '../claims.ts'
import { STEP_MS, type Stage, step, until } from '../stage.ts'
import { openAlice } from './alice.ts'
import type { Homes } from './meeting.ts'
import { restartRelay } from './sleep.ts'

/** Both agents move to two relays; one is cut off and comes back, then the other is. */
export async function surviveACut(stage: Stage, homes: Homes, first: RelayChild): Promise<void> {
  const { claims, nursery, folder } = stage
  const second = await claims.check('second-relay', 'a second relay listens, with a log of its own', () =>
    step(stage, 'the second relay', nursery.relay(join(folder, 'relay-two'), 0)),
  )
  const relays = [first.url, second.url]
  const bob = nursery.agent(homes.bob, relays)
  const alice = await openAlice(homes.alice, relays)
  let asked = 0

  /** Kills a relay, then asks bob something. */
  const cut = (relay: RelayChild, name: string, text: string) =>
    claims.check(name, text, async () => {
      const how = await relay.kill()
      see(how === 'SIGKILL', `it ended otherwise: ${how}`)
      asked += 1
      const question = `still there, ${asked}?`
      const answer = await step(stage, 'the answer', alice.ask('bob', question, { timeout: STEP_MS }))
      see(answer.text === `looked into: ${question}`, `the answer was ${JSON.stringify(answer.text)}`)
      see(bob.handled.length === asked, `bob was asked ${bob.handled.length} times`)
    })

  try {
    await claims.check('on-both', 'alice and bob came back, each on both relays', async () => {
      await step(stage, 'bob', bob.caughtUp)
      const { complete, unreached } = await step(stage, 'alice', alice.sync())
      see(complete && unreached === 0, `${unreached} relays were not reached`)
    })
    await cut(
      first,
      'relay-cut',
      'the first relay was cut off (SIGKILL); alice asked bob, who answered through the second',
    )
    await restartRelay(stage, first.url, 'first-relay-restarted')
    await claims.check('relay-healed', 'alice is on both again, without a word from anybody', () =>
      until(
        stage,
        () => alice.status().relays.every(({ state }) => state === 'live'),
        () =>
          alice
            .status()
            .relays.map(({ url, state }) => `${url} is ${state}`)
            .join(', '),
      ),
    )
    await cut(
      second,
      'other-relay-cut',
      'now the second was cut off; the next question and answer went through the first',
    )
    await claims.check('still-once', 'and of all this bob has every message once', async () => {
      const inbox = await step(stage, 'his inbox', bob.order({ type: 'list' }))
      see(
        new Set(inbox).size === inbox.length && bob.handled.length === asked,
        `${inbox.length}, ${bob.handled.length}`,
      )
    })
  } finally {
    await alice.close({ timeoutMs: 0 })
  }
}
