import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeFolder } from '#dist/platform/make-folder.js'
import { BIN, posthorn } from '../cli/posthorn.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('makes what is missing, and says where it began', () => {
  const folder = tempDir()
  expect(makeFolder(join(folder, 'a', 'b', 'c'), 0o700)).toBe(join(folder, 'a'))
  expect(statSync(join(folder, 'a', 'b', 'c')).isDirectory()).toBe(true)
  if (process.platform !== 'win32') expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o700)
  expect(makeFolder(join(folder, 'a', 'b', 'c'))).toBeUndefined()
  expect(makeFolder(join(folder, 'a', 'x'))).toBe(join(folder, 'a', 'x'))
  mkdirSync(join(folder, 'target'))
  symlinkSync(join(folder, 'target'), join(folder, 'link'))
  expect(makeFolder(join(folder, 'link', 'y'))).toBe(join(folder, 'link', 'y'))
  expect(existsSync(join(folder, 'target', 'y'))).toBe(true)
})

test('a file or a dangling link in the way is an error', () => {
  const folder = tempDir()
  writeFileSync(join(folder, 'file'), '')
  symlinkSync(join(folder, 'nothing'), join(folder, 'dangling'))
  expect(() => makeFolder(join(folder, 'file'))).toThrow('EEXIST')
  expect(() => makeFolder(join(folder, 'file', 'below'))).toThrow(/ENOTDIR|EEXIST|ENOENT/)
  expect(() => makeFolder(join(folder, 'dangling'))).toThrow('EEXIST')
})

// Node's own recursive mkdir never returns there: as a process of its own, which can be killed.
test.skipIf(process.platform !== 'linux').each([
  ['init', '--home', '/proc/x'],
  ['init', '--home', '/proc/self/x/y'],
  ['relay', '--port', '0', '--data', '/proc/x'],
])('%s %s: a folder that the system does not make is an error at once', async (...args) => {
  const { code, stderr } = await posthorn(args, { bin: BIN })
  expect(code).toBe(1)
  expect(stderr).toMatch(/posthorn \w+: .*\/proc\/\S+: .*(ENOENT|EACCES)|does not let/)
})
