import type { Clock } from '../../../platform/clock.ts'
import type { Cancel, Timers } from '../../../platform/timers.ts'
import { sleep } from '../../../platform/timers.ts'
import type { Fork, Log } from '../log/types.ts'
import { digestOf, type Json } from './record.ts'
import type { Section } from './section.ts'
import { counterValue, type Entries, gaugeAt, gaugeOf, nameOfKey, setValues } from './typed.ts'
import type { StateContent, StateView } from './types.ts'

export interface ViewOptions {
  readonly section: Section
  readonly log: Pick<Log<never, never>, 'cover' | 'status' | 'ready'>
  readonly clock: Clock
  readonly timers: Timers
  /** What is read: the record, or what is about to be written over it. */
  readonly entries: Entries
  onFork(listener: (fork: Fork) => void): Cancel
  close(): Promise<void>
}

export function createView({ section, log, clock, timers, entries, ...options }: ViewOptions): StateView {
  const gauge = (name: string) => {
    const found = gaugeOf(entries, name)
    return found && gaugeAt(found, clock.now())
  }

  function names(kind: StateContent extends infer T ? keyof T : never): string[] {
    const wanted = kind.slice(0, -1)
    const found = [...entries.under('')].map(([key]) => nameOfKey(key)).filter(each => each.kind === wanted)
    return [...new Set(found.map(({ name }) => name))].sort()
  }

  /** Names are data: `__proto__` is one like others. */
  const record = <T>(keys: readonly string[], read: (key: string) => T): Readonly<Record<string, T>> =>
    Object.freeze(Object.fromEntries(keys.map(key => [key, read(key)])))

  return {
    author: section.author,
    get: key => entries.get(key),
    keys: () => names('values'),
    counter: name => counterValue(entries, name),
    set: name => setValues(entries, name),
    gauge,
    content: () =>
      Object.freeze({
        values: record(names('values'), key => entries.get(key) as Json),
        counters: record(names('counters'), name => counterValue(entries, name)),
        sets: record(names('sets'), name => setValues(entries, name)),
        gauges: record(names('gauges'), name => gauge(name) ?? 0),
      }),
    subscribe: (key, listener) => section.subscribe(key, listener),
    get cover() {
      const sessions = log.cover().get(section.author) ?? new Map()
      return Object.freeze(Object.fromEntries([...sessions].map(([session, { n }]) => [session, n as number])))
    },
    get status() {
      return log.status
    },
    get digest() {
      return digestOf(section.record)
    },
    onFork: options.onFork,
    async ready(ms) {
      if (ms === undefined) return log.ready()
      const end = new AbortController()
      const result = await Promise.race([log.ready(), sleep(timers, ms, end.signal).then(() => false)])
      end.abort()
      return result
    },
    close: options.close,
  }
}
