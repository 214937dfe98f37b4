import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { makeFolder } from '../../platform/make-folder.ts'

/** True where POSIX modes and owners mean something. */
const posix = process.platform !== 'win32'

const hasCode = (error: unknown, code: string): boolean => (error as { code?: unknown }).code === code
export const isMissing = (error: unknown): boolean => hasCode(error, 'ENOENT')
export const isTaken = (error: unknown): boolean => hasCode(error, 'EEXIST')

export function lstatOrUndefined(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

/** What is really there, behind links too. */
export const statOrUndefined = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false })

/** Why others could read or change it, or undefined. */
export function exposure(stats: Stats): string | undefined {
  if (!posix) return undefined
  if (stats.uid !== process.getuid?.()) return 'belongs to another user'
  if ((stats.mode & 0o077) !== 0) return `is open to others (mode ${(stats.mode & 0o777).toString(8).padStart(4, '0')})`
  return undefined
}

/** Creates the folder and missing parents, each 0700. */
export function makePrivateFolder(path: string): void {
  makeFolder(path, 0o700)
}

/** With `exclusive` an existing file is kept, and an EEXIST error thrown. */
export interface WriteOptions {
  readonly exclusive?: boolean
}

/**
 * The whole new content or the old one, even if power fails: temp file, fsync, rename, fsync of the folder.
 * Mode 0600 from the first byte on.
 */
export function writePrivateFile(path: string, text: string, suffix: string, options: WriteOptions = {}): void {
  const temporary = `${path}.${suffix}.tmp`
  try {
    const file = openSync(temporary, 'wx', 0o600)
    try {
      // Not writeSync, which may write a part where room is short.
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (options.exclusive) linkSync(temporary, path)
    else renameSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
  syncFolder(dirname(path))
}

function syncFolder(path: string): void {
  if (!posix) return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
