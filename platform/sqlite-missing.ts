import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Why a driver did not load: its package is not installed, it has no binary, or the binary is for another Node. */
export type MissingCause = 'absent' | 'unbuilt' | 'other-node'
export type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun'

const OTHER_NODE = /NODE_MODULE_VERSION|different Node\.js version/

/** Reads the cause from what `require` or the first `open` threw. */
export function missingCause(error: unknown): MissingCause {
  const { code, message = '' } = (error ?? {}) as { readonly code?: unknown; readonly message?: string }
  if (OTHER_NODE.test(message)) return 'other-node'
  // `bindings` throws MODULE_NOT_FOUND too, for a binary that it looked for in many places.
  return code === 'MODULE_NOT_FOUND' && !/bindings file/.test(message) ? 'absent' : 'unbuilt'
}

/** Returns the package manager that installed the package at `from`: by its folders, then by the nearest lockfile. Default: npm. */
export function packageManager(from: string = fileURLToPath(import.meta.url)): PackageManager {
  if (process.versions['pnp'] !== undefined || /[\\/]\.yarn[\\/]/.test(from)) return 'yarn'
  if (/[\\/]\.pnpm[\\/]/.test(from)) return 'pnpm'
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    for (const [name, file] of LOCKFILES) if (existsSync(join(folder, file))) return name
    if (folder === dirname(folder)) return 'npm'
  }
}
const LOCKFILES: readonly (readonly [PackageManager, string])[] = [
  ['npm', 'package-lock.json'],
  ['pnpm', 'pnpm-lock.yaml'],
  ['yarn', 'yarn.lock'],
  ['bun', 'bun.lock'],
  ['bun', 'bun.lockb'],
]

const AGAIN: Readonly<Record<PackageManager, string>> = {
  npm: 'npm ci --include=optional --foreground-scripts',
  pnpm: 'pnpm install --force',
  yarn: 'yarn install',
  bun: 'bun install',
}
const BUILD: Readonly<Record<PackageManager, string>> = {
  npm: 'npm rebuild better-sqlite3-node20 --foreground-scripts (npm 12 first wants: npm install-scripts approve better-sqlite3)',
  pnpm: 'pnpm approve-builds, choose better-sqlite3, then: pnpm rebuild better-sqlite3',
  yarn: 'put "dependenciesMeta": {"better-sqlite3": {"built": true}} into package.json, then: yarn install',
  bun: 'run it with Bun itself, which needs no build: bun run --bun posthorn',
}
const WHY: Readonly<Record<MissingCause, string>> = {
  absent: 'it is not installed: optional dependencies were left out, or its build failed and it was removed again',
  unbuilt: 'it has no binary: install scripts did not run (--ignore-scripts, or not allowed by the package manager)',
  'other-node': 'its binary is for another version of Node',
}

/** Node 20 has no prebuilt driver: what is missing, and what gives it with this package manager. */
export function missingOnNode20(cause: MissingCause, manager: PackageManager, node: string): string {
  return [
    `No SQLite for Node ${node}: the package better-sqlite3-node20 does not load, ${WHY[cause]}.`,
    '  Without any build: use Node 22 or later.',
    '  On Node 20 its install script downloads a binary from github.com, or compiles one: that needs Python 3, make and a C++ compiler, and node-gyp downloads Node’s headers from nodejs.org.',
    `  With ${manager}: ${cause === 'absent' ? AGAIN[manager] : BUILD[manager]}`,
  ].join('\n')
}

/** Node 22 and later, and Bun: the driver comes prebuilt for each platform that has a binary. */
export function missingPrebuilt(cause: MissingCause, manager: PackageManager, platform: string): string {
  return cause === 'absent'
    ? `No SQLite: the package better-sqlite3 is not installed. Install again: ${AGAIN[manager]}`
    : `No SQLite: better-sqlite3 has no binary for ${platform}. There are binaries for Linux, macOS and Windows on x64 and arm64.`
}
