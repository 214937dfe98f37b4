import { nobleVerifier, type Verifier } from '../../platform/verifier.ts'
import { type IncomingMessage, openAgent } from '../../sdk/index.ts'
import type { AgentOrder, AgentReport } from './protocol.ts'

/** The second agent of the demo as a process of its own: `node agent-process.js <home>`. It may be killed at any moment. */
const [home = ''] = process.argv.slice(2)
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

async function live(): Promise<void> {
  const agent = await openAgent({ home, create: false, host: { verifier: countingVerifier } })
  const report = ({ id, from, text, act, seq }: IncomingMessage) =>
    tell({ type: 'handled', message: { id, from, text, act, seq: seq ?? -1 } })
  agent.handle('request', message => {
    report(message)
    return `looked into: ${message.text}`
  })
  agent.handle('inform', message => {
    report(message)
  })
  process.on('message', (order: AgentOrder) => {
    if (order.type === 'list') tell({ type: 'inbox', ids: agent.inbox().map(entry => entry.id) })
  })
  tell({ type: 'awake', pid: process.pid })
  const summary = await agent.sync()
  tell({ type: 'caught-up', summary, verified, rejected })
}

// Its parent gone, it has nobody to play for.
process.on('disconnect', () => process.exit(0))
live().catch(error => {
  tell({ type: 'failed', error: error instanceof Error ? error.message : String(error) })
  process.exitCode = 1
})
