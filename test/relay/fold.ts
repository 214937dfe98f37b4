import type { NostrEvent } from 'posthorn/protocol'
import { naiveAddress } from './naive-log.ts'

/** Keeps what is present, as a client does that reads the log: a newer version takes its address, GONE takes an id away. */
export class Fold {
  readonly kept = new Map<string, NostrEvent>()

  add(event: NostrEvent): void {
    const address = naiveAddress(event)
    if (address !== undefined)
      for (const old of this.kept.values()) if (naiveAddress(old) === address) this.kept.delete(old.id)
    this.kept.set(event.id, event)
  }

  remove(id: string): void {
    this.kept.delete(id)
  }

  get ids(): Set<string> {
    return new Set(this.kept.keys())
  }
}
