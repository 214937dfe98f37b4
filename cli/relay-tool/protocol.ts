import type { RetentionRule } from '../../relay/index.ts'
import type { BackupReport, CheckReport, PruneReport, RestoreReport } from '../../relay/tools.ts'

interface Tools {
  /** Exactly one of the two says where the log is. */
  check: { job: { folder?: string; file?: string; deep: boolean }; report: CheckReport }
  backup: { job: { folder: string; file: string }; report: BackupReport }
  restore: { job: { folder: string; file: string; replace: boolean }; report: RestoreReport }
  /** `now` in seconds. */
  prune: {
    job: { folder: string; rules: readonly RetentionRule[]; now: number; dryRun: boolean }
    report: PruneReport
  }
}

export type ToolName = keyof Tools
/** What the process is told to do. */
export type Job<T extends ToolName = ToolName> = { [N in T]: { readonly tool: N } & Readonly<Tools[N]['job']> }[T]
export type Report<T extends ToolName> = Tools[T]['report']

/** What it tells. */
export type Told =
  /** Rows looked at, and where the log ends; both 0 while the file as a whole is looked at. */
  | { readonly type: 'progress'; readonly seq: number; readonly last: number }
  /** What comes now is short, and is not to be cut short. */
  | { readonly type: 'finishing' }
  | { readonly type: 'done'; readonly report: Report<ToolName> }
  | { readonly type: 'failed'; readonly code: string | undefined; readonly message: string }
