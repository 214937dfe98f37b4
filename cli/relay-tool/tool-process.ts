import { openVerifierPool } from '../../platform/verifier-pool.ts'
import { backupLog, type CheckOptions, checkFile, checkFolder, pruneFolder, restoreLog } from '../../relay/tools.ts'
import { messageOf } from '../errors.ts'
import type { Job, Report, Told, ToolName } from './protocol.ts'

/** One tool of the relay as a process of its own, which may be killed at any moment until it says that it is finishing. */
const tell = (told: Told) => process.send?.(told)

const onProgress = (seq: number, last: number) => tell({ type: 'progress', seq, last })

async function run(job: Job): Promise<Report<ToolName>> {
  switch (job.tool) {
    case 'check':
      return check(job)
    case 'backup':
      return backupLog(job.folder, job.file, { onProgress })
    case 'restore':
      return restoreLog(job.file, job.folder, {
        replace: job.replace,
        onProgress,
        onReplace: () => tell({ type: 'finishing' }),
      })
    case 'prune':
      return pruneFolder(job.folder, job.rules, job.now, { dryRun: job.dryRun, onProgress })
    default:
      return job satisfies never
  }
}

async function check({ folder, file, deep }: Job<'check'>): Promise<Report<'check'>> {
  const verifier = deep ? await openVerifierPool({ threads: 1 }) : undefined
  const options: CheckOptions = {
    onProgress,
    ...(verifier === undefined ? {} : { verify: events => verifier.verify(events) }),
  }
  try {
    return await (file === undefined ? checkFolder(folder ?? '', options) : checkFile(file, options))
  } finally {
    await verifier?.close()
  }
}

// A terminal's Ctrl-C goes to both processes: what is to be done about it is decided by the one that started this.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})
process.on('disconnect', () => process.exit(1))
// For good, so that it stays until what it told has been heard.
process.on('message', (job: Job) => {
  run(job)
    .then(report => tell({ type: 'done', report }))
    .catch((error: unknown) =>
      tell({
        type: 'failed',
        code: (error as { code?: string } | null)?.code,
        message: messageOf(error),
      }),
    )
})
