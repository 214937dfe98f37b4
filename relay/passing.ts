import { SharedText } from '../platform/shared-text.ts'
import { expirationOf } from '../protocol/event.ts'
import type { LogEntry, StoredEntry } from './log/store.ts'

/** A committed entry on its way to many subscriptions: what is the same for all of them is worked out once. */
export class Passing {
  readonly entry: LogEntry
  /** The stored event that took a replaced one's address in the same commit. */
  readonly successor: StoredEntry | undefined
  /** Of a stored event: when it ends to be served (seconds). */
  readonly expires: number | undefined
  #text: SharedText | undefined

  constructor(entry: LogEntry, successor?: StoredEntry) {
    this.entry = entry
    this.successor = successor
    this.expires = entry.op === 'stored' ? expirationOf(entry.event) : undefined
  }

  /** The text of a stored event. */
  textOf(entry: StoredEntry): SharedText {
    this.#text ??= new SharedText(entry.json)
    return this.#text
  }
}
