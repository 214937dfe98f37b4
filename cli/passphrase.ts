import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { ReadStream } from 'node:tty'
import { KeyFileError } from '../sdk/errors.ts'
import { exposure } from '../sdk/home/files.ts'
import type { CliHost } from './context.ts'
import { UsageError } from './errors.ts'
import { decodeText } from './text-bytes.ts'

const MAX_BYTES = 4_096

interface Asking extends Pick<CliHost, 'readSecret'> {
  readonly options: { readonly 'passphrase-file'?: string | undefined }
}

/**
 * Where a verb gets the passphrase of an encrypted key: the file named by --passphrase-file (POSTHORN_PASSPHRASE_FILE), else the
 * terminal, once per command. Never a flag or a variable itself: both are seen by other programs.
 */
export function passphraseOf({ options, readSecret }: Asking): () => Promise<string> {
  let known: Promise<string> | undefined
  const ask = async () => {
    const file = options['passphrase-file']
    if (file !== undefined) return readSecretFile(file, 'the passphrase')
    if (readSecret === undefined)
      throw new KeyFileError(
        'key-encrypted',
        'the key is encrypted and there is no terminal to ask for its passphrase; name a file that holds it with --passphrase-file or POSTHORN_PASSPHRASE_FILE.',
      )
    return readSecret('passphrase: ')
  }
  return () => {
    known ??= ask()
    return known
  }
}

/** For a key that is about to be encrypted: a person types it twice. */
export async function newPassphrase(asking: Asking): Promise<string> {
  const passphrase = await passphraseOf(asking)()
  if (passphrase === '') throw new UsageError('an empty passphrase protects nothing; give one')
  if (asking.options['passphrase-file'] === undefined && (await asking.readSecret?.('again: ')) !== passphrase)
    throw new UsageError('the two passphrases differ; nothing was done')
  return passphrase
}

/** One line. A file must be the user's own and closed to others; a pipe (`<(pass show …)`) is taken as it is. */
export function readSecretFile(path: string, what: string): string {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (cause) {
    throw new KeyFileError('key-passphrase', `the file of ${what}, ${path}, cannot be read.`, { cause })
  }
  try {
    const stats = fstatSync(file)
    const openFile = stats.isFile() ? exposure(stats) : undefined
    if (openFile) throw new KeyFileError('key-too-open', `${path} ${openFile}; make it yours alone: chmod 600 ${path}`)
    if (stats.size > MAX_BYTES) throw new KeyFileError('key-passphrase', `${path} is too large to hold ${what}.`)
    const passphrase = decodeText(readFileSync(file), path)
      // Some editors put a mark before the first character; it is no part of the passphrase.
      .replace(/^\uFEFF/, '')
      .replace(/\r?\n$/, '')
    if (passphrase === '' || /[\r\n]/.test(passphrase))
      throw new KeyFileError('key-passphrase', `${path} is to hold one line, ${what}.`)
    return passphrase
  } finally {
    closeSync(file)
  }
}

/** Asks on a terminal without showing what is typed. Rejects when interrupted, or at the end of input. */
export async function readSecretFrom(
  input: ReadStream,
  output: Writable,
  prompt: string,
  { signal, onInterrupt }: { readonly signal: AbortSignal; onInterrupt(): void },
): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: nowhere, terminal: true, historySize: 0 })
  output.write(prompt)
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('SIGINT', onInterrupt)
      lines.once('close', () => reject(new UsageError('nothing was given')))
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  } finally {
    lines.close()
    output.write('\n')
  }
}
