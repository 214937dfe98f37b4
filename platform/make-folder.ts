import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes a folder and those above it that are missing; returns the first that it made, undefined if all were there. In place of
 * `mkdirSync(…, { recursive: true })`, which never returns where the system refuses to make a folder with ENOENT, as below /proc.
 * Throws the system's error; `EEXIST`: a file is in its place.
 */
export function makeFolder(path: string, mode = 0o777): string | undefined {
  const missing: string[] = []
  for (let at = resolve(path); !isThere(at); at = dirname(at)) missing.unshift(at)
  let first: string | undefined
  for (const folder of missing) {
    try {
      mkdirSync(folder, { mode })
      first ??= folder
    } catch (error) {
      // Another process made it meanwhile.
      if ((error as { code?: unknown }).code !== 'EEXIST' || !isFolder(folder)) throw error
    }
  }
  if (missing.length === 0 && !isFolder(path)) mkdirSync(path)
  return first
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined || dirname(path) === path
  } catch (error) {
    // A file where a folder has to be: making what is below it says so.
    if ((error as { code?: unknown }).code === 'ENOTDIR') return false
    throw error
  }
}
