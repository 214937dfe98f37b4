import { type MessagePort, parentPort, Worker } from 'node:worker_threads'
import { THREAD_MEMORY } from '../../../platform/thread-memory.ts'

/** Calls to an object that lives in a worker thread: requests in order, answers in order, errors with their code. */
interface Call {
  readonly call: number
  readonly method: string
  readonly args: readonly unknown[]
}
type Request = Call | { readonly create: unknown } | { readonly end: true }
type Response =
  | { readonly call: number; readonly value: unknown }
  | {
      readonly call: number
      readonly error: { readonly name: string; readonly message: string; readonly code: unknown }
    }

type Methods = Record<string, (...args: never[]) => unknown>

/** An error thrown in a thread, with the name and code it had there. */
export class ThreadError extends Error {
  readonly code: unknown
  constructor(name: string, message: string, code: unknown) {
    super(message)
    this.name = name
    this.code = code
  }
}

/** A value that goes to the caller with this memory, which the thread then has no more. */
export class Giving<T> {
  readonly value: T
  readonly memory: readonly ArrayBuffer[]
  constructor(value: T, memory: readonly ArrayBuffer[]) {
    this.value = value
    this.memory = memory
  }
}

/** Worker side: serves the methods of what `create` makes, one after another. A failing `create` answers every call with its error. */
export function serve<T>(create: (data: T) => Methods): void {
  const port = parentPort
  if (port === null) throw new Error('this module is the body of a worker thread')
  let methods: Methods | undefined
  let startError: unknown
  const answer = ({ call, method, args }: Call) => {
    try {
      const run = methods?.[method]
      if (run === undefined) throw startError ?? new Error(`no method ${method}`)
      const value = run(...(args as never[]))
      const response: Response = { call, value: value instanceof Giving ? value.value : value }
      port.postMessage(response, value instanceof Giving ? value.memory : [])
    } catch (error) {
      const { name, message, code } = error as Error & { code?: unknown }
      const response: Response = { call, error: { name, message, code } }
      port.postMessage(response)
    }
    if (method === 'close') methods = undefined
  }
  port.on('message', (request: Request) => {
    if ('call' in request) answer(request)
    else if ('end' in request) end(port)
    else
      try {
        startError = undefined
        methods = create(request.create as T)
      } catch (error) {
        startError = error
      }
  })
}

/** Deno's port of a thread cannot be closed (2.9); its `process.exit` ends the thread alone, as Node's does. */
function end(port: MessagePort): void {
  if (typeof port.close === 'function') port.close()
  else process.exit(0)
}

/** Threads that served an object which was closed, by the module they run. */
const idle = new Map<string, Worker[]>()
let kept = 0

/**
 * From now on this many closed threads of each kind wait for the next object instead of ending, without keeping the
 * process alive: starting one costs 50 to 100 ms of CPU. For a process that opens and closes many logs. Default: 0.
 */
export function keepIdleThreads(count: number): void {
  kept = count
}

/** Caller side. Rejects with {@link ThreadError}, also for everything still open when the thread ends. */
export class Thread {
  readonly #worker: Worker
  readonly #body: string
  readonly #open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #calls = 0
  #ended: Error | undefined

  constructor(body: URL, data: unknown) {
    this.#body = body.href
    this.#worker = idle.get(this.#body)?.pop() ?? new Worker(body, { resourceLimits: THREAD_MEMORY })
    this.#worker.ref()
    this.#send({ create: data })
    this.#worker.on('message', this.#answered).on('error', this.#end).on('exit', this.#gone)
  }

  call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    this.#calls += 1
    const call = this.#calls
    return new Promise<T>((resolve, reject) => {
      this.#open.set(call, { resolve: resolve as (value: unknown) => void, reject })
      this.#send({ call, method, args })
    })
  }

  /** Finishes what was asked, closes the object, ends the thread. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return
    try {
      await this.call('close')
    } catch (error) {
      // What failed on the way may have left something behind: only a clean close is worth keeping.
      if (this.#ended === undefined) await this.#exit()
      throw error
    }
    const waiting = idle.get(this.#body) ?? []
    if (waiting.length >= kept) return this.#exit()
    this.#worker.off('message', this.#answered).off('error', this.#end).off('exit', this.#gone)
    this.#worker.unref()
    idle.set(this.#body, [...waiting, this.#worker])
    this.#gone()
  }

  #exit(): Promise<void> {
    const exited = new Promise<void>(resolve => this.#worker.once('exit', () => resolve()))
    this.#send({ end: true })
    return exited
  }

  #send(request: Request): void {
    this.#worker.postMessage(request)
  }

  readonly #answered = (response: Response): void => {
    const waiting = this.#open.get(response.call)
    this.#open.delete(response.call)
    if ('error' in response)
      waiting?.reject(new ThreadError(response.error.name, response.error.message, response.error.code))
    else waiting?.resolve(response.value)
  }

  readonly #end = (error: unknown): void => {
    this.#ended ??= error instanceof Error ? error : new Error(String(error))
    for (const waiting of this.#open.values()) waiting.reject(this.#ended)
    this.#open.clear()
  }

  readonly #gone = (): void => this.#end(new Error('the thread has ended'))
}
