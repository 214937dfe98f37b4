import { nobleVerifier, type Verifier } from '../../platform/verifier.ts'
import { type Agent, type IncomingMessage, openAgent } from '../../sdk/index.ts'
import { lookAt } from './look-at.ts'
import type { AgentAnswers, AgentOrder, AgentReport } from './protocol.ts'

/**
 * The second agent of the demo as a process of its own: `node agent-process.js <home> [<relay>…]`, the relays instead of the
 * profile's. It may be killed at any moment.
 */
const [home = '', ...relays] = process.argv.slice(2)
const tell = (report: AgentReport) => process.send?.(report)

let verified = 0
let rejected = 0
const countingVerifier: Verifier = {
  ...nobleVerifier,
  async verify(events) {
    const verdicts = await nobleVerifier.verify(events)
    for (const valid of verdicts) valid ? verified++ : rejected++
    return verdicts
  },
}

async function obey(agent: Agent, order: AgentOrder): Promise<AgentAnswers[AgentOrder['type']]> {
  switch (order.type) {
    case 'list':
      return agent.inbox().map(entry => entry.id)
    case 'introduce':
      await agent.card.set(order.card)
      return null
    case 'note':
      await agent.state.update(order.values)
      return agent.state.flush()
    case 'look':
      return lookAt(agent, order.at)
    default:
      return order satisfies never
  }
}

async function live(): Promise<void> {
  const agent = await openAgent({
    home,
    create: false,
    announce: false,
    host: { verifier: countingVerifier },
    ...(relays.length === 0 ? {} : { relays }),
  })
  const report = ({ id, from, text, act, seq }: IncomingMessage) =>
    tell({ type: 'handled', message: { id, from, text, act, seq: seq ?? -1 } })
  agent.handle('request', message => {
    report(message)
    return `looked into: ${message.text}`
  })
  agent.handle('inform', message => {
    report(message)
  })
  let last: Promise<unknown> = Promise.resolve()
  process.on('message', (order: AgentOrder) => {
    last = last.then(async () => tell({ type: 'answer', value: await obey(agent, order) })).catch(fail)
  })
  tell({ type: 'awake', pid: process.pid })
  const summary = await agent.sync()
  tell({ type: 'caught-up', summary, verified, rejected })
}

function fail(error: unknown): void {
  tell({ type: 'failed', error: error instanceof Error ? error.message : String(error) })
  process.exitCode = 1
}

// Its parent gone, it has nobody to play for.
process.on('disconnect', () => process.exit(0))
live().catch(fail)
