import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { see } from './claims.ts'
import type { AgentAnswers, AgentOrder, AgentReport, HandledMessage } from './protocol.ts'

/** A child process of the demo. */
export interface Child {
  readonly pid: number
  /** SIGKILL; resolves when the process is gone, with the signal that ended it. */
  kill(): Promise<string>
}

export interface RelayChild extends Child {
  readonly url: string
}

type CaughtUp = Extract<AgentReport, { type: 'caught-up' }>

export interface AgentChild extends Child {
  readonly awake: Promise<void>
  readonly caughtUp: Promise<CaughtUp>
  /** Every message a handler ran for, in that order; grows. */
  readonly handled: readonly HandledMessage[]
  /** Resolves once `count` handler runs were reported. */
  handledCount(count: number): Promise<void>
  /** Has it do something and tell. */
  order<T extends AgentOrder>(order: T): Promise<AgentAnswers[T['type']]>
}

/** Starts children and knows them all, so that none is left behind. */
export interface Nursery {
  relay(dataFolder: string, port: number): Promise<RelayChild>
  /** `relays`: instead of its profile's. */
  agent(home: string, relays?: readonly string[]): AgentChild
  /** Kills what still runs; synchronous, for the last moment of a process. */
  killAll(): void
}

const POSTHORN = fileURLToPath(new URL('../posthorn.js', import.meta.url))
const AGENT = fileURLToPath(new URL('./agent-process.js', import.meta.url))

export function createNursery(): Nursery {
  const running = new Set<ChildProcess>()

  function start(script: string, args: readonly string[]): ChildProcess {
    const child = fork(script, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] })
    running.add(child)
    child.once('exit', () => running.delete(child))
    return child
  }

  return {
    async relay(dataFolder, port) {
      const child = start(POSTHORN, ['relay', '--port', String(port), '--data', dataFolder, '--json'])
      return { ...base(child), url: await listeningAt(child) }
    },
    agent: (home, relays = []) => agentChild(start(AGENT, [home, ...relays])),
    killAll() {
      for (const child of running) child.kill('SIGKILL')
    },
  }
}

function base(child: ChildProcess): Child {
  return {
    pid: child.pid ?? -1,
    async kill() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = new Promise(resolve => child.once('exit', resolve))
        child.kill('SIGKILL')
        await gone
      }
      return child.signalCode ?? `exit ${child.exitCode}`
    },
  }
}

/** The address in the first line a relay prints. */
async function listeningAt(child: ChildProcess): Promise<string> {
  see(child.stdout !== null && child.stderr !== null, 'the relay has no output')
  const errors: string[] = []
  child.stderr.on('data', chunk => errors.push(String(chunk)))
  const lines = createInterface({ input: child.stdout })
  const first = await new Promise<string>(resolve => {
    lines.once('line', resolve)
    child.once('exit', () => resolve(''))
  })
  child.stdout.resume()
  const json = parseJson(first)
  const url = json.ok && isRecord(json.value) ? own(json.value, 'listening') : undefined
  see(typeof url === 'string', `the relay did not start: ${reasonIn(errors.join('')) || first}`)
  return url
}

/** What a child with --json wrote of its error, as a person reads it. */
function reasonIn(text: string): string {
  return text
    .trim()
    .split('\n')
    .map(line => {
      const json = parseJson(line)
      const error = json.ok && isRecord(json.value) ? own(json.value, 'error') : undefined
      const message = isRecord(error) ? own(error, 'message') : error
      return typeof message === 'string' ? message : line
    })
    .join('\n')
}

function agentChild(child: ChildProcess): AgentChild {
  const handled: HandledMessage[] = []
  const awake = deferred<void>()
  const caughtUp = deferred<CaughtUp>()
  const waiting = new Set<() => void>()
  const orders: Deferred<unknown>[] = []
  let ended: Error | undefined

  const fail = (error: Error) => {
    ended ??= error
    awake.reject(error)
    caughtUp.reject(error)
    for (const order of orders.splice(0)) order.reject(error)
    for (const look of [...waiting]) look()
  }
  // Whoever waits hears of a failure; nobody waiting is no reason to crash.
  awake.promise.catch(() => {})
  caughtUp.promise.catch(() => {})
  child.stdout?.resume()
  child.stderr?.resume()
  child.on('message', (report: AgentReport) => {
    if (report.type === 'awake') awake.resolve()
    else if (report.type === 'caught-up') caughtUp.resolve(report)
    else if (report.type === 'answer') orders.shift()?.resolve(report.value)
    else if (report.type === 'failed') fail(new Error(`the agent failed: ${report.error}`))
    else {
      handled.push(report.message)
      for (const look of [...waiting]) look()
    }
  })
  child.once('exit', (code, signal) => fail(new Error(`the agent's process ended (${signal ?? `exit ${code}`})`)))

  return {
    ...base(child),
    awake: awake.promise,
    caughtUp: caughtUp.promise,
    handled,
    handledCount: count =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (handled.length < count && ended === undefined) return
          waiting.delete(look)
          if (handled.length >= count) resolve()
          else if (ended !== undefined) reject(ended)
        }
        waiting.add(look)
        look()
      }),
    order<T extends AgentOrder>(order: T) {
      const answer = deferred<unknown>()
      if (ended !== undefined) answer.reject(ended)
      else {
        orders.push(answer)
        child.send(order, error => error && answer.reject(error))
      }
      return answer.promise as Promise<AgentAnswers[T['type']]>
    },
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
}

/** Promise.withResolvers, which Node 20 lacks. */
function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}
