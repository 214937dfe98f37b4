import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { openClients } from '../load/client.mjs'
import { cpuMsOf, hundredth, memoryOf } from '../load/meter.mjs'
import { publishClosed, requireAccepted } from '../load/publish.mjs'

const program = fileURLToPath(new URL('./waking-agent.mjs', import.meta.url))
const AGENT_MS = 300_000
/** Verifiers of the agent; the reference is what nobody has who wakes to thousands. */
const TIERS = ['native', 'wasm']

/** An agent in its own process wakes to sealed messages that came while it slept: all received, verified, opened and recorded. */
export async function waking({ server, options, corpus, salt, signal, report }) {
  const section = `mail${salt}`
  const mail = await corpus(section, options.waking)
  const clients = await openClients(server.url, options.ingestConnections)
  try {
    requireAccepted(await publishClosed(clients, mail, options.window))
  } finally {
    for (const client of clients) client.close()
  }
  for (const tier of TIERS) {
    const order = { url: server.url, section, messages: mail.length, seconds: AGENT_MS / 1000 }
    const cpuBefore = cpuMsOf(server.pid)
    const agent = await wake(order, tier, signal)
    const serverCpuMs = cpuMsOf(server.pid) - cpuBefore
    // Not on this machine, or not worth a thread: the agent went on with what it has.
    if (agent.verifier.tier === tier) tell({ agent, mail, server, serverCpuMs, report })
  }
}

function tell({ agent, mail, server, serverCpuMs, report }) {
  if (agent.complete !== true || agent.messages !== mail.length || agent.invalid > 0)
    throw new Error(`the agent has ${agent.messages} of ${mail.length} messages, ${agent.invalid} invalid`)
  report(`${mail.length} messages, ${agent.verifier.tier}`, {
    unit: 'messages/s',
    operations: agent.messages,
    seconds: agent.seconds,
    perSecond: Math.round(agent.messages / agent.seconds),
    verifierPerSecond: agent.verifier.perSecond,
    verifierCpuUsPerOperation: agent.verifier.cpuUs,
    shareOfVerifier: hundredth(agent.messages / agent.seconds / agent.verifier.perSecond),
    agentCpuUsPerOperation: Math.round((agent.cpuMs * 1000) / agent.messages),
    agentPeakRssMb: agent.peakRssMb,
    agentStartRssMb: agent.startRssMb,
    bytes: { in: agent.bytes },
    bytesPerMessage: Math.round(agent.bytes / agent.messages),
    ...(Number.isFinite(serverCpuMs)
      ? { serverCpuUsPerOperation: hundredth((serverCpuMs * 1000) / agent.messages) }
      : {}),
    ...memoryOf(server.pid),
  })
}

function wake(order, tier, signal) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, POSTHORN_VERIFIER: tier },
      timeout: AGENT_MS + 30_000,
      killSignal: 'SIGKILL',
      signal,
    })
    let out = ''
    let said = ''
    child.stdout.on('data', chunk => {
      out += chunk
    })
    child.stderr.on('data', chunk => {
      said = (said + chunk).slice(-2_000)
    })
    child.once('error', reject)
    child.once('exit', code => {
      if (code === 0) resolve(JSON.parse(out))
      else reject(new Error(`the agent ended with ${code}: ${said.trim()}`))
    })
  })
}
