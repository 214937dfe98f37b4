import type { AcknowledgedRun, AcknowledgedStore } from '../../link/acknowledged.ts'
import type { Table } from '../../tables.ts'

/** Of one relay: the highest position at which it acknowledged an own event, by the epoch of the run that acknowledged it. */
export interface AckedRow {
  readonly runs: readonly AcknowledgedRun[]
}

/** Where relays acknowledged own events of one log. A process may end before it has read that far, so cursors do not show that a relay lost them. */
export interface AckedRuns extends AcknowledgedStore {
  /** A relay acknowledged an own event at `seq`. `epoch` undefined: its present run was not known. Inside a transaction. */
  note(relay: string, seq: number, epoch: string | undefined): void
}

/** `onLost` runs inside the transaction that notes that `relay` has lost something. */
export function createAckedRuns(
  table: Table<AckedRow>,
  transaction: (run: () => void) => void,
  onLost: (relay: string) => void,
): AckedRuns {
  const runsOf = (relay: string) => table.get(relay)?.runs ?? []

  function put(relay: string, seq: number, epoch: string | undefined, instead?: string): void {
    const others = runsOf(relay).filter(run => run.epoch !== epoch && run.epoch !== instead)
    const before = runsOf(relay).find(run => run.epoch === epoch)?.seq ?? 0
    table.set(relay, { runs: [...others, { epoch, seq: Math.max(seq, before) }] })
  }

  return {
    note: (relay, seq, epoch) => put(relay, seq, epoch),
    acknowledged: relay => runsOf(relay),
    carryOver(relay, { from, to, upTo }) {
      const told = runsOf(relay).find(({ epoch }) => epoch === from)
      if (!told) return 0
      const isLost = told.seq > upTo
      transaction(() => {
        if (!isLost) return put(relay, told.seq, to, from)
        table.set(relay, { runs: runsOf(relay).filter(({ epoch }) => epoch !== from) })
        onLost(relay)
      })
      return isLost ? 1 : 0
    },
  }
}
