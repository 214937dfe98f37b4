import { join } from 'node:path'
import { type Agent, createProfile } from '../../../sdk/index.ts'
import type { AgentChild, RelayChild } from '../children.ts'
import { see } from '../claims.ts'
import { STEP_MS, type Stage, step } from '../stage.ts'

/** Where the profiles of both are. */
export interface Homes {
  readonly alice: string
  readonly bob: string
}

export async function startRelay(stage: Stage): Promise<RelayChild> {
  const { claims, nursery, folder } = stage
  return claims.check('relay-listening', 'a relay listens, its log in a temporary folder', () =>
    step(stage, 'the relay', nursery.relay(join(folder, 'relay'), 0)),
  )
}

export function makeProfiles({ folder }: Stage, url: string): Homes {
  const home = (name: string) => createProfile({ home: join(folder, 'agents', name), name, relays: [url] }).home
  return { alice: home('alice'), bob: home('bob') }
}

export async function startBob(stage: Stage, home: string): Promise<AgentChild> {
  const bob = stage.nursery.agent(home)
  await stage.claims.check('bob-awake', `alice is here, bob runs as process ${bob.pid}`, async () => {
    await step(stage, 'bob', bob.awake)
    const { summary } = await step(stage, 'bob', bob.caughtUp)
    see(summary.complete, `bob did not catch up with an empty relay: ${summary.status}`)
  })
  return bob
}

const BOBS_CARD = {
  description: 'looks into things',
  skills: [{ id: 'look-into', name: 'Look into', description: 'Looks into a question', tags: ['inspection'] }],
}

/** Bob says what he can do; alice finds him by it. */
export async function showCards(stage: Stage, alice: Agent, bob: AgentChild): Promise<void> {
  await stage.claims.check(
    'card-found',
    `alice looked for the skill “look-into” and found bob, who “${BOBS_CARD.description}”; the card bears his signature`,
    async () => {
      await step(stage, 'bob’s card', bob.order({ type: 'introduce', card: BOBS_CARD }))
      const found = await step(stage, 'the search', alice.card.find({ skill: 'look-into' }))
      const [only] = found
      see(only !== undefined && found.length === 1, `${found.length} cards were found`)
      const known = alice.contacts.list().find(({ name }) => name === 'bob')
      see(only.pubkey === known?.pubkey, `the card is of ${only.npub}`)
      see(only.card.description === BOBS_CARD.description, `it says ${JSON.stringify(only.card.description)}`)
    },
  )
}

/** The two messages that bob has got when this is over. */
export async function exchange(stage: Stage, alice: Agent, bob: AgentChild): Promise<void> {
  const question = 'is the bridge open?'
  await stage.claims.check('message-each-way', `alice asked bob “${question}”, bob answered, both sealed`, async () => {
    const answer = await step(stage, 'the answer', alice.ask('bob', question, { timeout: STEP_MS }))
    const [asked, ...more] = bob.handled
    see(asked?.text === question && asked.from === alice.pubkey, `bob was asked ${JSON.stringify(asked)}`)
    see(more.length === 0, `bob was asked ${more.length + 1} times`)
    see(answer.text === `looked into: ${question}`, `the answer was ${JSON.stringify(answer.text)}`)
    see(
      answer.fromName === 'bob' && answer.replyTo === asked.id,
      `the answer came from ${answer.fromName ?? answer.from}`,
    )
    see(answer.private, 'the answer travelled in clear text')
  })
}
