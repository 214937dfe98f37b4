import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdir, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../platform/clock.ts'
import { makeFolder } from '../platform/make-folder.ts'
import type { Timers } from '../platform/timers.ts'

export interface BackupSchedule {
  /** Folder of the backups, made if missing and readable by this user only. Other files in it are left alone. */
  readonly directory: string
  readonly everyMs: number
  /** Older ones than the newest so many go, once a newer one has been checked. At least 1. */
  readonly keep: number
}

/** One backup that counts: complete up to `last`, checked and synced. */
export interface BackupMade {
  readonly file: string
  readonly events: number
  readonly last: number
  readonly bytes: number
}

export interface BackupStatus {
  readonly everyMs: number
  /** Wall-clock ms of the newest backup that is there; undefined if there is none. */
  readonly lastSuccess: number | undefined
  readonly lastBytes: number | undefined
  /** How long the last one of this run took; undefined before it. */
  readonly lastMs: number | undefined
  readonly outcomes: ReadonlyMap<'success' | 'failure', number>
}

export interface BackupsOptions extends BackupSchedule {
  /** The relay's folder. */
  readonly data: string
  readonly clock: Clock
  readonly timers: Timers
  readonly onBackup?: ((made: BackupMade) => void) | undefined
  readonly onError: (where: string, error: unknown) => void
}

/** After one that failed; sooner only if the schedule is denser. */
const RETRY_MS = 600_000
/** The relay's start comes first. */
const FIRST_MS = 1_000
const NAME = /^posthorn-(\d{4})-(\d\d)-(\d\d)T(\d\d)(\d\d)(\d\d)Z\.db$/

const PARTIAL = /^posthorn-[\dT-]+Z\.db\.partial(-\w+)?$/
const BODY = fileURLToPath(new URL('./log/sqlite/backup-process.js', import.meta.url))

type Told = { readonly made: BackupMade } | { readonly failed: { readonly message: string; readonly code: unknown } }

/** `posthorn-2026-01-31T041500Z.db`: sorts by time. */
const nameAt = (ms: number): string => `posthorn-${new Date(ms).toISOString().slice(0, 19).replaceAll(':', '')}Z.db`

function timeOf(name: string): number | undefined {
  const [, ...parts] = NAME.exec(name) ?? []
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts.map(Number)
  return parts.length === 0 ? undefined : Date.UTC(year, month - 1, day, hour, minute, second)
}

/** Scheduled backups of a running relay. */
export interface Backups {
  readonly status: BackupStatus
  /** No more of them; ends the one on its way, which then leaves nothing behind that counts. */
  stop(): Promise<void>
}

/**
 * Copies the log from time to time, in a process of its own, beside the writer. The clock of the schedule is the newest backup that is there,
 * so a restart neither repeats nor skips one. Throws the system's error if the folder cannot be made.
 */
export async function startBackups(options: BackupsOptions): Promise<Backups> {
  const { everyMs, keep, clock, timers, onError } = options
  const directory = resolve(options.directory)
  makeFolder(directory, 0o700)
  const outcomes = new Map<'success' | 'failure', number>([
    ['success', 0],
    ['failure', 0],
  ])
  const backups = async () =>
    (await readdir(directory)).flatMap(name => {
      const at = timeOf(name)
      return at === undefined ? [] : [{ name, at }]
    })
  /** What was cut short could not clean up behind itself. */
  const sweep = async () => {
    for (const name of await readdir(directory))
      if (PARTIAL.test(name)) await rm(join(directory, name), { force: true })
  }
  await sweep()
  const [newest] = (await backups()).sort((a, b) => b.at - a.at)
  let lastSuccess = newest?.at
  let lastBytes = newest && (await stat(join(directory, newest.name))).size
  let lastMs: number | undefined
  let stopped = false
  let cancel = () => {}
  let child: ChildProcess | undefined
  let underway: Promise<void> = Promise.resolve()

  const copy = (target: string): Promise<BackupMade> =>
    new Promise((done, fail) => {
      // Nothing of the relay's own flags and settings: it needs two paths.
      const copying = fork(BODY, [options.data, target], { execArgv: [], stdio: 'ignore' })
      child = copying
      copying.once('message', (told: Told) => {
        if ('made' in told) done(told.made)
        else fail(Object.assign(new Error(told.failed.message), { code: told.failed.code }))
      })
      copying.once('error', fail)
      copying.once('close', () => fail(new Error('the backup was cut short')))
    })

  const rotate = async () => {
    const old = (await backups()).sort((a, b) => b.at - a.at).slice(keep)
    for (const { name } of old) await rm(join(directory, name), { force: true })
  }

  const make = async () => {
    const [at, start] = [clock.now(), clock.monotonic()]
    const made = await copy(join(directory, nameAt(at)))
    lastSuccess = at
    lastBytes = made.bytes
    lastMs = clock.monotonic() - start
    outcomes.set('success', (outcomes.get('success') ?? 0) + 1)
    options.onBackup?.(made)
    await rotate()
  }

  const arm = (ms: number) => {
    if (stopped) return
    cancel = timers.after(
      ms,
      () => {
        underway = make().then(
          () => arm(everyMs),
          error => {
            if (stopped) return
            outcomes.set('failure', (outcomes.get('failure') ?? 0) + 1)
            onError('backup', error)
            arm(Math.min(everyMs, RETRY_MS))
          },
        )
      },
      { background: true },
    )
  }
  // A newest one from the future is a clock that was wrong.
  const age = lastSuccess === undefined ? everyMs : Math.max(0, clock.now() - lastSuccess)
  arm(Math.max(FIRST_MS, everyMs - age))

  return {
    get status() {
      return { everyMs, lastSuccess, lastBytes, lastMs, outcomes }
    },
    async stop() {
      stopped = true
      cancel()
      const copying = child
      if (copying !== undefined && copying.exitCode === null && copying.signalCode === null) {
        const ended = once(copying, 'exit')
        copying.kill('SIGKILL')
        await ended
      }
      await underway
      await sweep().catch(() => {})
    },
  }
}
