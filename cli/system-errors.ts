import { own } from '../protocol/json.ts'

/** An error of the system or of SQLite, in words. */
export interface Explained {
  readonly message: string
  readonly hint?: string
}

/** Codes of Node's system errors (errno). */
const BY_ERRNO: Readonly<Record<string, readonly [what: string, hint?: string]>> = {
  ENOENT: ['there is no such file or folder'],
  EACCES: ['this user may not read or write it', 'ls -ld shows whose it is'],
  EPERM: ['this user may not do that with it', 'ls -ld shows whose it is'],
  EROFS: ['its file system is read-only'],
  ENOTDIR: ['a part of this path is a file where a folder has to be'],
  EISDIR: ['it is a folder, where a file has to be'],
  EEXIST: ['it is there already'],
  ENOTEMPTY: ['the folder is not empty'],
  ENOSPC: ['the disk is full', 'make room, then do it again; nothing was half written'],
  EDQUOT: ['the disk quota of this user is used up', 'make room, then do it again; nothing was half written'],
  EFBIG: ['the file is too large for this system'],
  EIO: ['the disk could not be read or written', 'look at the disk, and at the system log'],
  EMFILE: ['this process has too many files open', 'raise the limit: ulimit -n'],
  ENFILE: ['this machine has too many files open'],
  ENAMETOOLONG: ['the name is too long'],
  ELOOP: ['its links lead in a circle'],
  EBUSY: ['another program is using it'],
  EADDRINUSE: ['another program listens there', 'choose another port, or stop that program'],
  EADDRNOTAVAIL: ['this machine has no such address'],
}

/** Codes of Node's errors on making a folder; those above it are there or were made. */
const BY_MKDIR: Readonly<Record<string, readonly [what: string, hint?: string]>> = {
  EEXIST: ['a file is in its place, where a folder has to be'],
  ENOENT: ['the system does not let a folder be made there', 'choose another folder'],
}

const BY_SQLITE: readonly (readonly [pattern: RegExp, what: string, hint: string])[] = [
  [
    /^SQLITE_FULL/,
    'there is no room to write: the disk is full, or the file has reached its limit',
    'make room, then do it again; nothing was half written',
  ],
  [
    /^SQLITE_(CORRUPT|NOTADB|FORMAT|IOERR_SHORT_READ)/,
    'a database of this folder is damaged',
    'posthorn doctor (for a relay: posthorn relay check) says which; restore it from a backup, or move it away to start without it',
  ],
  [/^SQLITE_(BUSY|LOCKED)/, 'another process is writing there and did not finish in time', 'try again in a moment'],
  [
    /^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/,
    'a database of this folder cannot be opened for reading and writing',
    'ls -l shows whose it is; a read-only file system will not do',
  ],
  [/^SQLITE_IOERR/, 'the disk could not be read or written', 'look at the disk, and at the system log'],
]

interface SystemError {
  readonly code?: unknown
  readonly path?: unknown
  readonly dest?: unknown
  readonly address?: unknown
  readonly port?: unknown
  readonly syscall?: unknown
}

/** Undefined for errors that are neither the system's nor SQLite's. */
export function explainSystemError(error: unknown): Explained | undefined {
  // What a tool's process tells is in words already.
  if (!(error instanceof Error) || error.name === 'RelayToolError') return undefined
  const { code, path, dest, address, port, syscall } = error as Error & SystemError
  if (typeof code !== 'string') return undefined
  const sqlite = BY_SQLITE.find(([pattern]) => pattern.test(code))
  if (sqlite) return { message: `${sqlite[1]} (${code})`, hint: sqlite[2] }
  if (code === 'ERR_INVALID_ARG_VALUE' && /null bytes/.test(error.message))
    return { message: 'a path cannot hold a NUL character' }
  if (code === 'ERR_INVALID_URL')
    return { message: `${JSON.stringify((error as { input?: unknown }).input)} is no address` }
  const found = own(BY_ERRNO, code)
  if (found === undefined) return undefined
  const [what, hint] = (syscall === 'mkdir' ? own(BY_MKDIR, code) : undefined) ?? found
  const place = typeof port === 'number' ? `${String(address ?? '')}:${port}` : undefined
  const file = typeof dest === 'string' && code !== 'ENOENT' ? dest : path
  const subject = place ?? (typeof file === 'string' ? file : undefined)
  return {
    message: `${subject === undefined ? '' : `${subject}: `}${what} (${code})`,
    ...(hint === undefined ? {} : { hint }),
  }
}
