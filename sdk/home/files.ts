import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

/** True where POSIX modes and owners mean something. */
const posix = process.platform !== 'win32'

export const isMissing = (error: unknown): boolean => (error as { code?: unknown }).code === 'ENOENT'

export function lstatOrUndefined(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

/** Why others could read or change it, or undefined. */
export function exposure(stats: Stats): string | undefined {
  if (!posix) return undefined
  if (stats.uid !== process.getuid?.()) return 'belongs to another user'
  if ((stats.mode & 0o077) !== 0) return `is open to others (mode ${(stats.mode & 0o777).toString(8).padStart(4, '0')})`
  return undefined
}

/** Creates the folder and missing parents, each 0700. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
}

/**
 * The whole new content or the old one, even if power fails: temp file, fsync, rename, fsync of the folder.
 * Mode 0600 from the first byte on.
 */
export function writePrivateFile(path: string, text: string, suffix: string): void {
  const temporary = `${path}.${suffix}.tmp`
  try {
    const file = openSync(temporary, 'wx', 0o600)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
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
