/** What an operator does to a log beside the relay: check, back up, restore, prune. @module */

import { statSync } from 'node:fs'
import { PruneRefusedError, type RetentionRule, requireRules } from './log/retention.ts'
import { requireFile, requireLog } from './log/sqlite/backup.ts'
import { type CheckOptions, type CheckReport, checkLog } from './log/sqlite/check.ts'
import { LOG_FILE, openSqliteStore } from './log/sqlite/store.ts'
import { type PruneReport, prune } from './retention.ts'

export {
  BackupError,
  type BackupReport,
  backupLog,
  partialOf,
  type RestoreOptions,
  type RestoreReport,
  removePartial,
  restoreLog,
} from './log/sqlite/backup.ts'
export { type CheckOptions, type CheckReport, checkLog, type DamagedRow } from './log/sqlite/check.ts'
export type { PruneReport } from './retention.ts'
export { LOG_FILE }

/** Checks a backup, or the log of a folder; see {@link checkLog}. Rejects with BackupError `no-log` if there is neither. */
export const checkFile = async (path: string, options?: CheckOptions): Promise<CheckReport> => {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return checkLog(requireLog(path), options)
  requireFile(path)
  return checkLog(path, options)
}

/** Checks the log of a folder; see {@link checkLog}. */
export const checkFolder = async (directory: string, options?: CheckOptions): Promise<CheckReport> =>
  checkLog(requireLog(directory), options)

/**
 * Applies retention rules to the log of a folder that no relay holds, if all of it is sound. `now` in seconds.
 * Rejects with LockedError, {@link PruneRefusedError}.
 */
export async function pruneFolder(
  directory: string,
  rules: readonly RetentionRule[],
  now: number,
  options: Pick<CheckOptions, 'onProgress'> & { readonly dryRun?: boolean } = {},
): Promise<PruneReport> {
  requireRules(rules)
  const log = requireLog(directory)
  const store = await openSqliteStore(directory)
  try {
    const report = await checkLog(log, options)
    if (!report.ok) throw new PruneRefusedError(report.damaged.flatMap(({ seq }) => seq ?? []).slice(0, 100))
    return await prune(store, rules, now, options)
  } finally {
    await store.close()
  }
}
