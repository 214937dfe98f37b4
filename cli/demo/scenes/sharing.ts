import type { Agent } from '../../../sdk/index.ts'
import type { AgentChild } from '../children.ts'
import { see } from '../claims.ts'
import { lookAt } from '../look-at.ts'
import { type Stage, step } from '../stage.ts'

const BOB_WORKS_ON = 'the bridge'

/** Bob notes what he is about, for all to read. */
export async function noteState(stage: Stage, bob: AgentChild): Promise<void> {
  await stage.claims.check('state-noted', `bob noted in his state that he works on “${BOB_WORKS_ON}”`, async () => {
    const told = await step(stage, 'bob’s state', bob.order({ type: 'note', values: { worksOn: BOB_WORKS_ON } }))
    see(told, 'the relay did not take it')
  })
}

/** His process gone, what he noted is still to be read; and alice notes something he does not see yet. */
export async function readWhileAsleep(stage: Stage, alice: Agent): Promise<void> {
  await stage.claims.check(
    'state-of-a-sleeper',
    `he sleeps, and alice reads it all the same: “${BOB_WORKS_ON}”`,
    async () => {
      const { ready, values } = await step(stage, 'bob’s state', lookAt(alice, 'bob'))
      see(ready && values['worksOn'] === BOB_WORKS_ON, `she reads ${JSON.stringify(values)}`)
    },
  )
  await stage.claims.check('state-changed', 'she changed hers twenty times meanwhile', async () => {
    for (let page = 1; page <= PAGES; page++) await alice.state.set('page', page)
    see(await step(stage, 'her state', alice.state.flush()), 'the relay did not take it')
  })
}
const PAGES = 20

/** Awake again, bob has the newest of hers and his own as it was. */
export async function compareStates(stage: Stage, alice: Agent, bob: AgentChild, bobsKey: string): Promise<void> {
  await stage.claims.check(
    'state-synced',
    `bob reads alice’s as it is now (page ${PAGES}); his own is as he left it; both agents hold the very same`,
    async () => {
      const pairs = [
        { whose: alice.pubkey, key: 'page', value: PAGES },
        { whose: bobsKey, key: 'worksOn', value: BOB_WORKS_ON },
      ]
      for (const { whose, key, value } of pairs) {
        const his = await step(stage, 'the state', bob.order({ type: 'look', at: whose }))
        const hers = await step(stage, 'the state', lookAt(alice, whose))
        see(
          his.values[key] === value && hers.values[key] === value,
          `${key} is ${his.values[key]}, ${hers.values[key]}`,
        )
        see(his.digest === hers.digest, `their digests differ: ${his.digest}, ${hers.digest}`)
      }
    },
  )
}
