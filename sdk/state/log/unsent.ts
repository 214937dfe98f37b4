import { memoryTable } from '../../tables.ts'
import type { StateStore } from '../store.ts'
import { createCoverage } from './coverage.ts'
import { createRetained, type SnapshotRow, type TailRow } from './retained.ts'

/** Signed events of one log that no relay has, as the store says; `self`: whose log, 64 hex. */
export const unsentIn = (store: Pick<StateStore, 'open'>, log: string, self: string): number =>
  createCoverage({
    self,
    retained: createRetained(
      self,
      store.open<TailRow>(`log/${log}/tail`),
      store.open<SnapshotRow>(`log/${log}/snapshots`),
    ),
    lows: memoryTable(''),
    wanted: () => 1,
    authors: () => new Set(),
    onSuperseded() {},
  }).pending()
