/** Listeners by event name. A listener that throws does not keep the others from hearing. */
export interface Notices<Events> {
  on<K extends keyof Events>(event: K, listener: (value: Events[K]) => void): () => void
  emit<K extends keyof Events>(event: K, value: Events[K]): void
  has(event: keyof Events): boolean
}

export function createNotices<Events>(): Notices<Events> {
  const listeners = new Map<keyof Events, Set<(value: never) => void>>()
  return {
    on(event, listener) {
      const set = listeners.get(event) ?? new Set()
      listeners.set(event, set)
      set.add(listener)
      return () => void set.delete(listener)
    },
    emit(event, value) {
      for (const listener of [...(listeners.get(event) ?? [])]) {
        try {
          listener(value as never)
        } catch (error) {
          // The program's own mistake must surface, but not in the middle of our bookkeeping.
          queueMicrotask(() => {
            throw error
          })
        }
      }
    },
    has: event => (listeners.get(event)?.size ?? 0) > 0,
  }
}

/** Resolves waiters whenever something happened; they look for themselves whether it was what they wait for. */
export interface Pulse {
  /** Resolves at the next beat. */
  next(): Promise<void>
  beat(): void
}

export function createPulse(): Pulse {
  let waiting: (() => void)[] = []
  return {
    next: () => new Promise(resolve => waiting.push(resolve)),
    beat() {
      const woken = waiting
      waiting = []
      for (const wake of woken) wake()
    },
  }
}
