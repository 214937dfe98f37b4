import { join } from 'node:path'
import type { Agent } from '../../../sdk/index.ts'
import type { RelayChild } from '../children.ts'
import { see } from '../claims.ts'
import { STEP_MS, type Stage, step } from '../stage.ts'

/** Texts by id, in the order in which they were sent. */
export type Sent = Map<string, string>

/** All but the last of the messages that wait for bob. */
export async function sendMail(stage: Stage, alice: Agent): Promise<Sent> {
  const sent: Sent = new Map()
  const { waiting } = stage
  await stage.claims.check(
    'mail-stored',
    `alice wrote him ${waiting - 1} messages; the relay said OK to each: stored, on its disk`,
    async () => {
      for (let n = 1; n < waiting && !stage.signal.aborted; n++) {
        const text = `message ${n} of ${waiting}`
        sent.set(await alice.send('bob', text), text)
      }
      for (const id of sent.keys()) {
        const delivery = await step(stage, 'an OK', alice.stored(id, { timeout: STEP_MS }))
        see(delivery.state === 'stored', `${id} is ${delivery.state}`)
      }
      see(sent.size === waiting - 1, `${sent.size} different ids for ${waiting - 1} messages`)
    },
  )
  return sent
}

/** The last one, with no relay there. Returns its id. */
export async function sendToNobody(stage: Stage, alice: Agent, sent: Sent): Promise<string> {
  return stage.claims.check('mail-queued', 'alice wrote one more all the same: queued, on her own disk', async () => {
    const text = `message ${stage.waiting} of ${stage.waiting}`
    const id = await alice.send('bob', text)
    sent.set(id, text)
    const delivery = alice.delivery(id)
    see(delivery?.state === 'queued', `it is ${delivery?.state}`)
    return id
  })
}

export async function restartRelay(stage: Stage, url: string, claim = 'relay-restarted'): Promise<RelayChild> {
  const { claims, nursery, folder } = stage
  return claims.check(claim, 'it was started again on the same log and address', async () => {
    const relay = await step(stage, 'the relay', nursery.relay(join(folder, 'relay'), Number(new URL(url).port)))
    see(relay.url === url, `it listens at ${relay.url}, before at ${url}`)
    return relay
  })
}

export async function sentAfterAll(stage: Stage, alice: Agent, id: string): Promise<void> {
  await stage.claims.check('queue-sent', 'what was queued went out by itself: stored', async () => {
    const delivery = await step(stage, 'an OK', alice.stored(id, { timeout: STEP_MS }))
    see(delivery.state === 'stored', `it is ${delivery.state}`)
    see(alice.status().queue === 0, `${alice.status().queue} are queued`)
  })
}
