import { encodeEvent, type NostrEvent } from '../../../protocol/event.ts'
import { addressOf } from '../../../protocol/kinds.ts'
import type { Commit, LogEntry, Outcome, RemovedEntry, VanishedEntry } from '../store.ts'

/**
 * A commit as it goes from the writer's thread to the relay, which still has the events: copying them back would cost more than storing them.
 * An outcome is the seq, the negative seq of a duplicate, or the reason of a refusal; a stored event is its index in the batch.
 */
export interface PackedCommit {
  readonly outcomes: readonly (number | string)[]
  readonly entries: readonly (number | RemovedEntry | VanishedEntry)[]
  readonly last: number
}

export function packCommit({ outcomes, entries, last }: Commit): PackedCommit {
  const indexes = new Map(outcomes.flatMap((one, index) => (one.status === 'stored' ? [[one.seq, index]] : [])))
  return {
    outcomes: outcomes.map(packOutcome),
    entries: entries.flatMap((entry): PackedCommit['entries'] => {
      if (entry.op !== 'stored') return [entry]
      const index = indexes.get(entry.seq)
      return index === undefined ? [] : [index]
    }),
    last,
  }
}

export function unpackCommit({ outcomes: packed, entries, last }: PackedCommit, events: readonly NostrEvent[]): Commit {
  const outcomes = packed.map(unpackOutcome)
  const unpack = (entry: PackedCommit['entries'][number]): LogEntry[] => {
    if (typeof entry !== 'number') return [entry]
    const event = events[entry]
    const outcome = outcomes[entry]
    if (event === undefined || outcome?.status !== 'stored') return []
    return [{ op: 'stored', seq: outcome.seq, event, json: encodeEvent(event), address: addressOf(event) }]
  }
  return { outcomes, entries: entries.flatMap(unpack), last }
}

/** No seq. */
const UNNEEDED = 0

function packOutcome(outcome: Outcome): number | string {
  if (outcome.status === 'refused') return outcome.reason
  if (outcome.status === 'unneeded') return UNNEEDED
  return outcome.status === 'stored' ? outcome.seq : -outcome.seq
}

function unpackOutcome(packed: number | string): Outcome {
  if (typeof packed === 'string') return { status: 'refused', reason: packed }
  if (packed === UNNEEDED) return { status: 'unneeded' }
  return packed > 0 ? { status: 'stored', seq: packed } : { status: 'duplicate', seq: -packed }
}
