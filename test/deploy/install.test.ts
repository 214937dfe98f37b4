import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const read = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'))

interface Entry {
  /** Only of an alias. */
  readonly name?: string
  readonly version: string
  readonly engines?: { readonly node?: string }
  readonly gypfile?: boolean
  readonly hasInstallScript?: boolean
  readonly optional?: boolean
  readonly inBundle?: boolean
}
const lock: { readonly packages: Record<string, Entry> } = read('package-lock.json')
const entries = Object.entries(lock.packages).filter(([path]) => path !== '')
const present = entries.filter(([path]) => existsSync(join(ROOT, path, 'package.json')))

test('npm ci compiles nothing that is not optional: the lockfile says so of every package with a binding.gyp', () => {
  // npm runs node-gyp for a binding.gyp without an install script, unless the lockfile says that it is not meant so.
  const compiled = present.filter(([path, entry]) => {
    const { scripts = {} } = read(join(path, 'package.json'))
    const inferred = existsSync(join(ROOT, path, 'binding.gyp')) && !scripts.install && !scripts.preinstall
    return inferred && entry.gypfile !== false
  })
  expect(
    compiled.map(([path]) => path),
    'run node .ci/lockfile.mjs',
  ).toEqual([])
  const scripted = entries.filter(([, entry]) => entry.hasInstallScript && !entry.optional)
  expect(
    scripted.map(([path]) => path),
    'install scripts without which npm ci fails',
  ).toEqual([])
})

test('npm ci warns of no engine on the oldest Node', () => {
  const wantsNewer = entries.filter(([, { engines, optional }]) => {
    const node = engines?.node ?? '*'
    return !optional && /^(>=|\^|~)?\s*(2[1-9]|[3-9]\d)\b/.test(node)
  })
  expect(
    wantsNewer.map(([path, { engines }]) => `${path}: ${engines?.node}`),
    'node .ci/lockfile.mjs',
  ).toEqual([])
})

test('every install script is allowed or denied by name', () => {
  const { allowScripts } = read('package.json')
  const scripted = entries.filter(([, entry]) => entry.hasInstallScript)
  const names = scripted.map(([path, { name }]) => name ?? path.replace(/^.*node_modules\//, ''))
  expect(Object.keys(allowScripts).sort()).toEqual([...new Set(names)].sort())
})

test('the driver that travels in the tarball has a binary for each platform', () => {
  expect(read('package.json').bundleDependencies).toEqual(['better-sqlite3'])
  const binaries = readdirSync(join(ROOT, 'node_modules/better-sqlite3/prebuilds'))
  for (const system of ['linux', 'linuxmusl', 'darwin', 'win32'])
    for (const arch of ['x64', 'arm64']) expect(binaries).toContain(`${system}-${arch}.node`)
})
