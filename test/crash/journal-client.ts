import { type Cursor, commonOfCursorUnknown, type FilterJson, type NostrEvent } from 'posthorn/protocol'
import { Fold } from '../relay/fold.ts'
import { connect, hintsOf } from '../relay/wire.ts'

type Step =
  | { readonly at: Cursor; readonly event: NostrEvent }
  | { readonly at: Cursor; readonly gone: string }
  | { readonly at: Cursor }

/** A client that remembers what it learned at which position, so that it can take back what a relay has lost. */
export class JournalClient {
  readonly #filter: FilterJson
  #journal: Step[] = []
  /** What the relay said to each position tried in the last catch-up. */
  refusals: string[] = []
  /** Events told in the last catch-up. */
  told: string[] = []

  constructor(filter: FilterJson) {
    this.#filter = filter
  }

  get cursor(): Cursor | undefined {
    return this.#journal.at(-1)?.at
  }

  get ids(): Set<string> {
    const fold = new Fold()
    for (const step of this.#journal) {
      if ('event' in step) fold.add(step.event)
      else if ('gone' in step) fold.remove(step.gone)
    }
    return fold.ids
  }

  /** Pages until complete; `upTo` stops after that seq, as a client that goes to sleep early. */
  async catchUp(url: string, upTo = Number.POSITIVE_INFINITY): Promise<void> {
    const wire = await connect(url)
    this.refusals = []
    this.told = []
    for (let page = 0; ; page += 1) {
      const from = this.cursor
      const position =
        from === undefined || from.seq === 0 ? { since_seq: 0 } : { since_seq: from.seq, epoch: from.epoch }
      const frames = await wire.request(`page ${page}`, { ...this.#filter, gone: true, limit: 3, ...position })
      const end = frames.at(-1)
      if (end?.[0] === 'CLOSED') {
        const common = commonOfCursorUnknown(String(end[2]))
        if (common === undefined || from === undefined) throw new Error(String(end[2]))
        this.refusals.push(String(end[2]))
        this.#forgetAfter({ epoch: from.epoch, seq: common })
        continue
      }
      const epoch = String(frames[0]?.[3])
      for (const [type, , second, third] of frames) {
        if (type === 'EVENT') {
          const event = second as NostrEvent
          this.told.push(event.id)
          this.#journal.push({ at: { epoch, seq: third as number }, event })
        } else if (type === 'GONE') this.#journal.push({ at: { epoch, seq: second as number }, gone: third as string })
      }
      const hints = hintsOf(end)
      this.#journal.push({ at: { epoch, seq: Number(hints['seq']) } })
      if ('finish' in hints || Number(hints['seq']) >= upTo) break
    }
    wire.socket.terminate()
  }

  /** Back to a position of an epoch, or, if nothing of that epoch is left, to the last one of the epoch before. */
  #forgetAfter({ epoch, seq }: Cursor): void {
    this.#journal = this.#journal.filter(({ at }) => at.epoch !== epoch || at.seq <= seq)
    if (seq > 0) this.#journal.push({ at: { epoch, seq } })
  }
}
