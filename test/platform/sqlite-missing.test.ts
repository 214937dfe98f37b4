import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { missingCause, missingOnNode20, missingPrebuilt, packageManager } from '#dist/platform/sqlite-missing.js'
import { tempDir } from '../helpers/temp-dir.ts'

const thrown = (run: () => unknown): unknown => {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

test('the cause is read from what require and bindings throw', () => {
  const require = createRequire(import.meta.url)
  expect(missingCause(thrown(() => require('better-sqlite3-node19')))).toBe('absent')
  const bindings = Object.assign(
    new Error('Could not locate the bindings file. Tried:\n → x/build/better_sqlite3.node'),
    {
      code: 'MODULE_NOT_FOUND',
    },
  )
  expect(missingCause(bindings)).toBe('unbuilt')
  const abi = 'was compiled against a different Node.js version using NODE_MODULE_VERSION 137.'
  expect(missingCause(Object.assign(new Error(abi), { code: 'ERR_DLOPEN_FAILED' }))).toBe('other-node')
  expect(missingCause(undefined)).toBe('unbuilt')
})

test('the package manager is the one that installed it', () => {
  expect(packageManager('/p/node_modules/.pnpm/posthorn@0.1.0/node_modules/posthorn/dist/platform/x.js')).toBe('pnpm')
  expect(packageManager('/p/.yarn/unplugged/posthorn-file-0/node_modules/posthorn/dist/platform/x.js')).toBe('yarn')
  for (const [file, name] of [
    ['package-lock.json', 'npm'],
    ['pnpm-lock.yaml', 'pnpm'],
    ['yarn.lock', 'yarn'],
    ['bun.lock', 'bun'],
  ] as const) {
    const project = tempDir()
    const folder = join(project, 'node_modules/posthorn/dist/platform')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(project, file), '')
    expect(packageManager(join(folder, 'x.js')), file).toBe(name)
  }
})

test('each message says what is missing, what needs no build, and a command of this package manager', () => {
  for (const manager of ['npm', 'pnpm', 'yarn', 'bun'] as const)
    for (const cause of ['absent', 'unbuilt', 'other-node'] as const) {
      const text = missingOnNode20(cause, manager, '20.19.0')
      expect(text).toContain('use Node 22 or later')
      expect(text).toContain('Python 3, make and a C++ compiler')
      expect(text).toContain('headers')
      // It writes the lockfile anew, without what keeps npm from compiling the other driver.
      expect(text).not.toContain('npm install --include')
      expect(text).toContain(`With ${manager}: `)
      if (manager !== 'npm') expect(text.split('With')[1]).not.toContain('npm rebuild')
    }
  // A package that npm removed again cannot be rebuilt: `npm rebuild` would report success and change nothing.
  expect(missingOnNode20('absent', 'npm', '20.19.0')).not.toContain('npm rebuild')
  expect(missingPrebuilt('unbuilt', 'npm', 'freebsd-x64')).toContain('no binary for freebsd-x64')
  expect(missingPrebuilt('absent', 'pnpm', 'linux-x64')).toContain('pnpm install')
})
