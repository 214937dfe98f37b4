import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolder } from '../../platform/make-folder.ts'
import { randomHex, systemRandom } from '../../platform/random.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { readTextFile } from '../text-bytes.ts'

/** One file of a host, and how ours is put in and taken out. Texts are whole files; undefined: there is no file. */
export interface FileEdit {
  readonly path: string
  /** Throws CliError where the file cannot take it. */
  add(text: string | undefined): string
  /** Takes out what `add` of this or an earlier version put in. Undefined: nothing is left that anybody else wrote. */
  remove(text: string): string | undefined
}

export interface FileChange {
  readonly path: string
  readonly before: string | undefined
  readonly after: string | undefined
  /** What the file was, or would be, without us. */
  readonly base: string | undefined
}

/** What there would be to write. A file that nobody touched since we did goes back to its bytes from before. */
export function planChange(edit: FileEdit, uninstall: boolean, records: string): FileChange {
  const path = realPath(edit.path)
  const before = readText(path)
  const base = baseOf(edit, before, readRecord(records, path))
  return { path, before, base, after: uninstall ? base : edit.add(base) }
}

function baseOf(edit: FileEdit, before: string | undefined, record: Installed | undefined): string | undefined {
  if (before === undefined) return undefined
  return record?.after === hash(before) ? record.before : edit.remove(before)
}

/** Writes it, and remembers what was there before. */
export function applyChange({ path, after, base }: FileChange, uninstall: boolean, records: string): void {
  if (after === undefined) rmSync(path, { force: true })
  else writeText(path, after)
  const record = recordPath(records, path)
  if (uninstall || after === undefined) rmSync(record, { force: true })
  else {
    makeFolder(records, 0o700)
    // A host's configuration may hold secrets.
    writeText(record, `${JSON.stringify({ v: 1, path, before: base ?? null, after: hash(after) })}\n`, 0o600)
  }
}

interface Installed {
  readonly before: string | undefined
  /** Hash of what we wrote. */
  readonly after: string
}

function readRecord(records: string, path: string): Installed | undefined {
  const json = parseJson(readText(recordPath(records, path)) ?? '')
  if (!json.ok || !isRecord(json.value)) return undefined
  const [before, after] = [own(json.value, 'before'), own(json.value, 'after')]
  if (typeof after !== 'string' || !(before === null || typeof before === 'string')) return undefined
  return { before: before ?? undefined, after }
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
const recordPath = (records: string, path: string): string => join(records, `${hash(path).slice(0, 32)}.json`)

/** Links of people who keep their configuration elsewhere stay links. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function readText(path: string): string | undefined {
  try {
    // Written back later: what is not text is not ours to bend.
    return readTextFile(path, { keepMark: true })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Whole or not at all; keeps the mode of what is there. */
function writeText(path: string, text: string, mode = 0o644): void {
  makeFolder(dirname(path))
  const kept = statSync(path, { throwIfNoEntry: false })?.mode ?? mode
  const temporary = `${path}.${randomHex(systemRandom, 8)}.tmp`
  try {
    const file = openSync(temporary, 'wx', kept & 0o777)
    try {
      // Not writeSync, which may write a part where room is short.
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
  }
}
