// The children of a chaos run: started, asked, killed without warning. None outlives the run.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const COMMAND = fileURLToPath(new URL('../../dist/cli/posthorn.js', import.meta.url))
const AGENT = fileURLToPath(new URL('./agent.mjs', import.meta.url))
const CLOCK = new URL('../crash/jumping-clock.mjs', import.meta.url).href
const START_MS = 60_000

const children = new Set()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
  process.on(signal, () => process.exit(code))

function adopt(child) {
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** What `promise` comes to; rejects if the child ends first. */
async function orEnd(child, what, promise) {
  const over = new AbortController()
  const { signal } = over
  const timeout = AbortSignal.timeout(START_MS)
  try {
    return await Promise.race([
      promise(signal),
      once(child, 'exit', { signal }).then(([code, killedBy]) => {
        throw new Error(`${what} ended by itself: ${killedBy ?? code}`)
      }),
      once(timeout, 'abort', { signal }).then(() => {
        throw new Error(`${what}: nothing within ${START_MS} ms`)
      }),
    ])
  } finally {
    over.abort()
  }
}

/** `posthorn relay` on a folder; port 0: any. */
export async function startRelay(name, data, port) {
  const command = [COMMAND, 'relay', '--port', String(port), '--data', data, '--json']
  const child = adopt(spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] }))
  let said = ''
  child.stderr.on('data', chunk => {
    said = (said + chunk).slice(-2_000)
  })
  const lines = createInterface(child.stdout)
  try {
    const [line] = await orEnd(child, name, signal => once(lines, 'line', { signal }))
    return { child, url: JSON.parse(line).listening }
  } catch (error) {
    throw new Error(`${error.message}. ${said}`)
  }
}

/** `clock`: seconds that its clock is off by, and by how much each SIGUSR2 moves it. */
export async function startAgent(how, clock) {
  const env = clock && { POSTHORN_TEST_OFFSET: String(clock.offset), POSTHORN_TEST_JUMPS: String(clock.jump) }
  const options = clock ? { execArgv: ['--import', CLOCK], env: { ...process.env, ...env } } : {}
  const child = adopt(fork(AGENT, [JSON.stringify(how)], options))
  const [{ pubkey }] = await orEnd(child, how.name, signal => once(child, 'message', { signal }))
  return { child, pubkey }
}

export async function ask(child, what) {
  const [answer] = await orEnd(child, what.ask, signal => {
    const answered = once(child, 'message', { signal })
    child.send(what)
    return answered
  })
  return answer
}

export async function kill(child) {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error('it ended by itself')
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** One command; resolves to its exit code and what it said. */
export async function posthorn(...args) {
  const child = adopt(spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }))
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      said += chunk
    })
  const [code] = await once(child, 'close')
  return { code, said }
}
