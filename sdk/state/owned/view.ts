import type { Clock } from '../../../platform/clock.ts'
import type { Cancel, Timers } from '../../../platform/timers.ts'
import { sleep } from '../../../platform/timers.ts'
import type { Fork, Log } from '../log/types.ts'
import { contentOf, gaugeNow, namesOf } from './content.ts'
import { digestOf } from './record.ts'
import type { Section } from './section.ts'
import { counterValue, type Entries, setValues } from './typed.ts'
import type { StateView } from './types.ts'

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
  return {
    author: section.author,
    get: key => entries.get(key),
    keys: () => namesOf(entries, 'value'),
    counter: name => counterValue(entries, name),
    set: name => setValues(entries, name),
    gauge: name => gaugeNow(entries, name, clock.now()),
    content: () => contentOf(entries, clock.now()),
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
