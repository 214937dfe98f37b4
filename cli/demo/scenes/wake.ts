import type { Agent } from '../../../sdk/index.ts'
import type { AgentChild } from '../children.ts'
import { see } from '../claims.ts'
import type { HandledMessage } from '../protocol.ts'
import { type Stage, step, until } from '../stage.ts'
import type { Sent } from './sleep.ts'

/** What the wake cost. */
export interface Figures {
  /** Events received over the wire. */
  readonly events: number
  /** Bytes received over the wire. */
  readonly bytes: number
  /** From asking the relay to everything recorded, in ms. */
  readonly ms: number
  /** From starting the process to the last handler, in ms. */
  readonly totalMs: number
}

/** Bob comes back. `before`: messages that he had got before he slept. */
export async function wake(
  stage: Stage,
  home: string,
  alicePubkey: string,
  sent: Sent,
  before: number,
): Promise<{ readonly bob: AgentChild; readonly figures: Figures }> {
  const { claims, nursery, clock } = stage
  const missed = sent.size
  const start = clock.monotonic()
  const bob = nursery.agent(home)
  const { summary, verified, rejected, inbox } = await claims.check(
    'caught-up',
    'bob woke, caught up with the relay, and worked it all off',
    async () => {
      await step(stage, 'bob', bob.awake)
      const { summary, verified, rejected } = await step(stage, 'catching up', bob.caughtUp)
      see(summary.complete, `he stopped at ${summary.received} events, ${summary.status}`)
      await step(stage, 'working off the mail', bob.handledCount(missed))
      // Asked after the last handler, so that a message too many would be seen here.
      return { summary, verified, rejected, inbox: await step(stage, 'his inbox', bob.order({ type: 'list' })) }
    },
  )
  const totalMs = Math.round(clock.monotonic() - start)
  const texts = [...sent.values()]
  const handled = [...bob.handled]
  await claims.check('exactly-those', `he has exactly the ${missed} messages he missed, word for word`, () => {
    const missing = [...sent.keys()].filter(id => !handled.some(message => message.id === id))
    const foreign = handled.filter(message => sent.get(message.id) !== message.text || message.from !== alicePubkey)
    see(missing.length === 0, `${missing.length} are missing`)
    see(foreign.length === 0, `${foreign.length} were never sent like that`)
    // Beside them may come receipts for what he sent before.
    see(
      summary.new === missed && summary.received >= missed,
      `the relay sent ${summary.received}, ${summary.new} of them new`,
    )
    see(summary.bytes > 0, 'the cost was not counted')
  })
  await claims.check('in-order', 'in the order of the relay’s log', () => {
    see(ascending(handled), 'their sequence numbers do not ascend')
    see(
      handled.every((message, index) => message.text === texts[index]),
      'they came in another order than they were sent',
    )
  })
  await claims.check('once', 'each of them once', () => {
    see(handled.length === missed, `handlers ran ${handled.length} times`)
    see(new Set(inbox).size === inbox.length, 'his inbox holds one of them twice')
    see(inbox.length === missed + before, `his inbox holds ${inbox.length} messages`)
  })
  await claims.check('verified', 'each hash and signature verified before he saw it', () => {
    see(verified >= missed, `only ${verified} were verified`)
    see(rejected === 0 && summary.invalid === 0, `${Math.max(rejected, summary.invalid)} did not hold`)
  })
  return { bob, figures: { events: summary.new, bytes: summary.bytes, ms: Math.round(summary.ms), totalMs } }
}

/** The sender's side: every message has come to its end. */
export async function allDone(stage: Stage, alice: Agent, bobsKey: string, sent: Sent): Promise<void> {
  await stage.claims.check('delivery-done', 'and alice knows: each is done, by bob’s signed receipt', async () => {
    const open = () => [...sent.keys()].filter(id => alice.delivery(id)?.state !== 'done')
    await until(
      stage,
      () => open().length === 0,
      () => `${open().length} are not done`,
    )
    const foreign = [...sent.keys()].filter(id => !alice.receipts(id).some(({ from }) => from === bobsKey))
    see(foreign.length === 0, `${foreign.length} without a receipt of his`)
  })
}

const ascending = (messages: readonly HandledMessage[]): boolean =>
  messages.every((message, index) => message.seq > (messages[index - 1]?.seq ?? 0))
