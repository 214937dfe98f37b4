import { parentPort, Worker, workerData } from 'node:worker_threads'

/** Calls to an object that lives in a worker thread: requests in order, answers in order, errors with their code. */
interface Request {
  readonly call: number
  readonly method: string
  readonly args: readonly unknown[]
}
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

/** Worker side: serves `create(workerData)`'s methods until told to close. A failing `create` answers every call with its error. */
export function serve<T>(create: (data: T) => Methods): void {
  const port = parentPort
  if (port === null) throw new Error('this module is the body of a worker thread')
  let methods: Methods | undefined
  let startError: unknown
  try {
    methods = create(workerData as T)
  } catch (error) {
    startError = error
  }
  port.on('message', ({ call, method, args }: Request) => {
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
    if (method === 'close') port.close()
  })
}

/** Caller side. Rejects with {@link ThreadError}, also for everything still open when the thread ends. */
export class Thread {
  readonly #worker: Worker
  readonly #open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #calls = 0
  #ended: Error | undefined

  constructor(body: URL, data: unknown) {
    this.#worker = new Worker(body, { workerData: data })
    this.#worker.on('message', (response: Response) => {
      const waiting = this.#open.get(response.call)
      this.#open.delete(response.call)
      if ('error' in response)
        waiting?.reject(new ThreadError(response.error.name, response.error.message, response.error.code))
      else waiting?.resolve(response.value)
    })
    this.#worker.on('error', error => this.#end(error instanceof Error ? error : new Error(String(error))))
    this.#worker.on('exit', () => this.#end(new Error('the thread has ended')))
  }

  call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    this.#calls += 1
    const call = this.#calls
    return new Promise<T>((resolve, reject) => {
      this.#open.set(call, { resolve: resolve as (value: unknown) => void, reject })
      const request: Request = { call, method, args }
      this.#worker.postMessage(request)
    })
  }

  /** Finishes what was asked, closes the object, ends the thread. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return
    const exited = new Promise<void>(resolve => this.#worker.once('exit', () => resolve()))
    await this.call('close')
    await exited
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const waiting of this.#open.values()) waiting.reject(error)
    this.#open.clear()
  }
}
