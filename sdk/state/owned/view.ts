import type { Clock } from '../../../platform/clock.ts'
import type { Timers } from '../../../platform/timers.ts'
import { sleep } from '../../../platform/timers.ts'
import { contentOf, gaugeNow, namesOf } from './content.ts'
import { digestOf } from './record.ts'
import type { Section } from './section.ts'
import type { Sections } from './sections.ts'
import { counterValue, type Entries, setValues } from './typed.ts'
import type { StateView } from './types.ts'

export interface ViewOptions {
  readonly section: Section
  readonly sections: Pick<Sections, 'log' | 'onFork' | 'status' | 'onStatus'>
  readonly clock: Clock
  readonly timers: Timers
  /** What is read: the record, or what is about to be written over it. */
  readonly entries: Entries
  close(): Promise<void>
}

export function createView({ section, sections, clock, timers, entries, close }: ViewOptions): StateView {
  const { log } = sections
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
      return sections.status()
    },
    on: (_event, listener) => sections.onStatus(listener),
    get digest() {
      return digestOf(section.record)
    },
    onFork: sections.onFork,
    async ready(ms) {
      if (ms === undefined) return log.ready()
      const end = new AbortController()
      const result = await Promise.race([log.ready(), sleep(timers, ms, end.signal).then(() => false)])
      end.abort()
      return result
    },
    close,
  }
}
