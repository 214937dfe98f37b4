import { openAlice } from './scenes/alice.ts'
import { exchange, makeProfiles, showCards, startBob, startRelay } from './scenes/meeting.ts'
import { compareStates, noteState, readWhileAsleep } from './scenes/sharing.ts'
import { restartRelay, sendMail, sendToNobody, sentAfterAll } from './scenes/sleep.ts'
import { surviveACut } from './scenes/two-relays.ts'
import { allDone, type Figures, wake } from './scenes/wake.ts'
import { kill, type Stage } from './stage.ts'

/** The demo from first to last line. Throws at the first claim that does not hold. */
export async function tell(stage: Stage): Promise<Figures> {
  const { claims } = stage
  await claims.chapter(
    'A relay and two agents',
    'Three programs of this machine. An agent is a key; its card says what it can do.',
  )
  const relay = await startRelay(stage)
  const homes = makeProfiles(stage, relay.url)
  const alice = await openAlice(homes.alice)
  let told: Awaited<ReturnType<typeof wake>>
  let again: typeof relay
  try {
    const bob = await startBob(stage, homes.bob)
    await showCards(stage, alice, bob)
    await exchange(stage, alice, bob)
    await noteState(stage, bob)
    const before = bob.handled.length
    const bobsKey = alice.contacts.list().find(({ name }) => name === 'bob')?.pubkey ?? ''

    await claims.chapter(
      'Bob falls asleep, mail arrives',
      'Nobody has to be there: the relay keeps what is for him, and says so.',
    )
    await kill(stage, bob, 'bob-killed', `bob's process ${bob.pid} was killed (SIGKILL)`)
    await readWhileAsleep(stage, alice)
    const sent = await sendMail(stage, alice)

    await claims.chapter(
      'The relay dies and returns',
      'Killed too, in the middle of everything. OK meant: on its disk.',
    )
    await kill(stage, relay, 'relay-killed', `the relay's process ${relay.pid} was killed (SIGKILL)`)
    const queued = await sendToNobody(stage, alice, sent)
    again = await restartRelay(stage, relay.url)
    await sentAfterAll(stage, alice, queued)

    await claims.chapter(
      'Bob wakes',
      'He asks for what came after his position in the log. No clock is asked, nothing is polled.',
    )
    told = await wake(stage, homes.bob, alice.pubkey, sent, before)
    await allDone(stage, alice, bobsKey, sent)
    await compareStates(stage, alice, told.bob, bobsKey)
    await told.bob.kill()
  } finally {
    await alice.close({ timeoutMs: 0 })
  }
  await claims.chapter(
    'One relay of two is lost',
    'Mail goes to both. Either is enough; neither has to be trusted to stay.',
  )
  await surviveACut(stage, homes, again)
  return told.figures
}
