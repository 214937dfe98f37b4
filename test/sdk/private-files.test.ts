import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tempDir } from '../helpers/temp-dir.ts'

const FILES = new URL('../../dist/sdk/home/files.js', import.meta.url).href
const WRITE = `
  const { writePrivateFile } = await import(${JSON.stringify(FILES)})
  writePrivateFile(process.argv[1], 'n'.repeat(Number(process.argv[2])), 'new')
`

/** Writes in a process whose files may have 4 KiB at most, which is how a disk that is nearly full looks: a part fits. */
const writeWithin4KiB = (path: string, bytes: number) =>
  spawnSync(
    '/bin/bash',
    ['-c', 'ulimit -f 4; exec "$@"', 'bash', process.execPath, '--input-type=module', '-e', WRITE, path, String(bytes)],
    { encoding: 'utf8' },
  )

test.skipIf(process.platform === 'win32')('a file that does not fit leaves the one that was there, whole', () => {
  const folder = tempDir()
  const path = join(folder, 'contacts.json')
  writeFileSync(path, 'before')
  expect(writeWithin4KiB(path, 4_096).status).toBe(0)
  expect(readFileSync(path, 'utf8')).toBe('n'.repeat(4_096))
  writeFileSync(path, 'before')
  expect(writeWithin4KiB(path, 4_097)).toMatchObject({ status: 1, stderr: expect.stringContaining('EFBIG') })
  expect(readFileSync(path, 'utf8')).toBe('before')
  expect(readdirSync(folder)).toEqual(['contacts.json'])
})
