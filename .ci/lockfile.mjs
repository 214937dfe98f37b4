// npm writes two facts of better-sqlite3 into no lockfile, or into it and warns for nothing. Run after `npm install`:
//   node .ci/lockfile.mjs
// test/deploy/install.test.ts fails while the lockfile lacks what this adds.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(import.meta.dirname, '..')

/** Packages that Node 20 installs and never loads (platform/sqlite-driver.ts): their engine would warn at every `npm ci`. */
const UNUSED_ON_NODE_20 = ['node_modules/better-sqlite3']

/**
 * npm takes a package with a binding.gyp and no install script for one to compile, unless its manifest says
 * `"gypfile": false`. `npm install` reads the manifest; `npm ci` reads the lockfile, where npm does not write it. Without
 * it a machine without Python and a compiler cannot run `npm ci`.
 */
export function completed(lock, manifestOf) {
  const packages = { ...lock.packages }
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '') continue
    let next = entry
    if (manifestOf(path)?.gypfile === false) next = { ...next, gypfile: false }
    if (UNUSED_ON_NODE_20.includes(path)) {
      const { engines, ...rest } = next
      next = rest
    }
    packages[path] = next
  }
  return { ...lock, packages }
}

/** The manifest that is installed at this path of the lockfile, if any. */
export function installedManifest(path) {
  const file = join(ROOT, path, 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

export const lockfile = join(ROOT, 'package-lock.json')

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lock = JSON.parse(readFileSync(lockfile, 'utf8'))
  writeFileSync(lockfile, `${JSON.stringify(completed(lock, installedManifest), undefined, 2)}\n`)
}
