export interface PipelineOptions<T, R> {
  /** Batches worked on at once. */
  readonly width: number
  /** Items in a batch, at the most. */
  readonly batch: number
  readonly work: (items: readonly T[]) => Promise<R>
  /** Results come in the order of the items, whatever was ready first. */
  readonly done: (items: readonly T[], result: R) => void
  /** `work` rejected. In order, too. */
  readonly failed: (items: readonly T[], error: unknown) => void
  /** What `done` and `failed` throw. */
  readonly onError: (error: unknown) => void
}

/** See {@link createPipeline}. */
export interface Pipeline<T> {
  push(item: T): void
  /** Forgets what is not being worked on yet. */
  clear(): void
  /** Resolves when nothing waits and everything is handed on. */
  idle(): Promise<void>
}

/**
 * Works on several batches at once and hands the results on in order. A batch is what came in one turn of the event loop, or
 * what gathered while all places were taken: batches grow by themselves under load, and nothing waits for a timer.
 */
export function createPipeline<T, R>(options: PipelineOptions<T, R>): Pipeline<T> {
  const { width, batch, work, done, failed, onError } = options
  const queue: T[] = []
  let underWay = 0
  let woken = false
  let order: Promise<void> = Promise.resolve()

  function fill(): void {
    while (queue.length > 0 && underWay < width) start(queue.splice(0, batch))
  }

  function start(items: readonly T[]): void {
    underWay += 1
    const handOn = work(items).then(
      result => () => done(items, result),
      error => () => failed(items, error),
    )
    order = order
      .then(() => handOn)
      .then(hand => {
        underWay -= 1
        hand()
      })
      .catch(onError)
      .then(fill)
  }

  return {
    push(item) {
      queue.push(item)
      if (woken) return
      woken = true
      // A microtask later, so that everything that arrives in one turn is one batch.
      queueMicrotask(() => {
        woken = false
        fill()
      })
    },
    clear() {
      queue.length = 0
    },
    async idle() {
      while (queue.length > 0 || underWay > 0) await order
    },
  }
}
