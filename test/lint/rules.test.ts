import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// Each snippet is one file in a small copy of the house, linted with the project's own biome.json in one run.
const ROOT = resolve(import.meta.dirname, '../..')
const RESTRICTED = 'lint/style/noRestrictedImports'
const GLOBALS = 'lint/style/noRestrictedGlobals'
const NODE_MODULES = 'lint/correctness/noNodejsModules'
const CYCLES = 'lint/suspicious/noImportCycles'
const AMBIENT = 'plugin'

interface Case {
  /** Folder of the file, relative to the root. */
  folder: string
  code: string
  /** The rule that must go red; none for a file that must stay green. */
  rule?: string
}

const imports = (specifier: string) => `export { thing } from '${specifier}'\n`
const allowed = (folder: string, ...specifiers: string[]): Case[] =>
  specifiers.map(specifier => ({ folder, code: imports(specifier) }))
const denied = (folder: string, ...specifiers: string[]): Case[] =>
  specifiers.map(specifier => ({ folder, code: imports(specifier), rule: RESTRICTED }))

const layers = {
  platform: '../platform/x.ts',
  relay: '../relay/x.ts',
  sdk: '../sdk/x.ts',
  testing: '../testing/x.ts',
  mcp: '../mcp/x.ts',
  cli: '../cli/x.ts',
}

const CASES: Case[] = [
  ...allowed('protocol', './x.ts', '@noble/hashes/sha2.js'),
  ...denied('protocol', ...Object.values(layers)),
  ...allowed('platform', './x.ts', '../protocol/x.ts', 'node:fs', 'ws'),
  ...denied('platform', layers.relay, layers.sdk, layers.testing, layers.mcp, layers.cli),
  ...allowed('relay', './x.ts', './log/x.ts', '../protocol/x.ts', layers.platform),
  ...denied('relay', layers.sdk, layers.testing, layers.mcp, layers.cli),
  ...denied('relay/log', '../../sdk/x.ts', '../../cli/x.ts'),
  ...allowed('sdk', './x.ts', './agent/x.ts', './mail/x.ts', './link/x.ts', '../protocol/x.ts', layers.platform),
  ...denied('sdk', layers.relay, layers.testing, layers.mcp, layers.cli),
  ...allowed('sdk/link', './x.ts', '../../protocol/x.ts', '../../platform/x.ts'),
  ...denied('sdk/link', '../mail/x.ts', '../state/x.ts', '../agent/x.ts', '../../relay/x.ts'),
  ...allowed('sdk/mail', './x.ts', '../link/x.ts', '../../protocol/x.ts'),
  ...denied('sdk/mail', '../agent/x.ts', '../state/x.ts', '../../relay/x.ts'),
  ...allowed('sdk/state', './x.ts', '../link/x.ts', '../../protocol/x.ts'),
  ...denied('sdk/state', '../agent/x.ts', '../mail/x.ts', '../../relay/x.ts'),
  ...allowed('sdk/doc', 'yjs', 'y-protocols/awareness', './x.ts', '../state/x.ts', '../api.ts'),
  ...denied('sdk/doc', '../../relay/x.ts', '../../cli/x.ts'),
  ...denied('sdk', 'yjs', './doc/x.ts'),
  ...denied('sdk/state', 'yjs', '../doc/x.ts'),
  ...denied('sdk/link', 'y-protocols/awareness'),
  ...allowed('sdk/agent', './x.ts', '../mail/x.ts', '../link/x.ts', '../state/x.ts'),
  ...denied('sdk/agent', '../../relay/x.ts', '../../cli/x.ts'),
  ...allowed('testing', '../protocol/x.ts', layers.platform, layers.relay, layers.sdk),
  ...denied('testing', layers.mcp, layers.cli),
  ...allowed('mcp', '../protocol/x.ts', layers.platform, layers.relay, layers.sdk),
  ...denied('mcp', layers.testing, layers.cli),
  ...allowed('cli', '../protocol/x.ts', layers.platform, layers.relay, layers.sdk, layers.testing, layers.mcp),
  ...['protocol', 'platform', 'relay', 'sdk', 'sdk/link', 'testing', 'mcp', 'cli'].flatMap(folder =>
    denied(folder, 'posthorn', 'posthorn/relay', '#dist/sdk/index.js'),
  ),
  { folder: 'sdk', code: `import type { Thing } from '../relay/x.ts'\nexport type Copy = Thing\n`, rule: RESTRICTED },
  { folder: 'relay', code: `export const load = () => import('../sdk/x.ts')\n`, rule: RESTRICTED },
  { folder: 'protocol', code: `export { readFileSync } from 'node:fs'\n`, rule: NODE_MODULES },
  { folder: 'protocol', code: `export { createHash } from 'crypto'\n`, rule: NODE_MODULES },
  ...['protocol', 'relay', 'sdk', 'sdk/link', 'testing', 'mcp', 'cli'].flatMap((folder): Case[] => [
    { folder, code: 'export const x = Date.now()\n', rule: AMBIENT },
    { folder, code: 'export const x = Date.now\n', rule: AMBIENT },
    { folder, code: 'export const x = new Date()\n', rule: AMBIENT },
    { folder, code: 'export const x = Math.random()\n', rule: AMBIENT },
    { folder, code: 'export const x = performance.now()\n', rule: AMBIENT },
    { folder, code: 'export const x = globalThis.setTimeout\n', rule: AMBIENT },
    { folder, code: 'export const x = crypto.randomUUID()\n', rule: GLOBALS },
    { folder, code: 'export const x = () => setTimeout(x, 1)\n', rule: GLOBALS },
    { folder, code: 'export const x = () => setInterval(x, 1)\n', rule: GLOBALS },
    { folder, code: 'export const x = () => setImmediate(x)\n', rule: GLOBALS },
    { folder, code: 'export const x = new Date(5).toISOString()\n' },
    { folder, code: 'export const x = Math.floor(1.5)\n' },
  ]),
  ...['relay', 'sdk', 'cli'].flatMap((folder): Case[] => [
    { folder, code: `export { setTimeout } from 'node:timers/promises'\n`, rule: RESTRICTED },
    { folder, code: `import { randomBytes } from 'node:crypto'\nexport const x = randomBytes(8)\n`, rule: RESTRICTED },
    { folder, code: `import { createHash } from 'node:crypto'\nexport const x = createHash('sha256')\n` },
  ]),
  ...['platform', 'test', 'bench'].flatMap((folder): Case[] => [
    { folder, code: 'export const x = [Date.now(), Math.random(), performance.now()]\n' },
    { folder, code: 'export const x = () => setTimeout(x, 1)\n' },
  ]),
]

const fileOf = (index: number): string => `${CASES[index]?.folder}/case-${index}.ts`
const red = new Map<string, string[]>()
let copy = ''

beforeAll(async () => {
  copy = mkdtempSync(join(tmpdir(), 'posthorn-lint-'))
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(copy, path)), { recursive: true })
    writeFileSync(join(copy, path), text)
  }
  const { $schema: _, vcs: __, ...config } = JSON.parse(readFileSync(join(ROOT, 'biome.json'), 'utf8'))
  write('biome.json', JSON.stringify(config))
  write('test/lint/.keep', '')
  cpSync(join(ROOT, 'test/lint/ambient.grit'), join(copy, 'test/lint/ambient.grit'))
  for (const [index, { code }] of CASES.entries()) write(fileOf(index), code)
  write('relay/circle-a.ts', `import { b } from './circle-b.ts'\nexport const a = () => b\n`)
  write('relay/circle-b.ts', `import { a } from './circle-a.ts'\nexport const b = () => a\n`)
  write('relay/line-a.ts', `import { b } from './line-b.ts'\nexport const a = () => b\n`)
  write('relay/line-b.ts', 'export const b = 1\n')

  const biome = join(ROOT, 'node_modules/@biomejs/biome/bin/biome')
  const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none', '.']
  const run = promisify(execFile)(process.execPath, args, { cwd: copy, maxBuffer: 64 * 2 ** 20 })
  const { stdout } = await run.catch((failure: { stdout: string }) => failure)
  for (const { location, category, severity } of JSON.parse(stdout).diagnostics)
    if (severity === 'error') red.set(location.path, [...(red.get(location.path) ?? []), category])
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

describe('lint goes red', () => {
  test.each(CASES.flatMap((one, index) => (one.rule ? [{ ...one, index }] : [])))(
    '$folder: $code ($rule)',
    ({ index, rule }) => {
      expect(red.get(fileOf(index))).toContain(rule)
    },
  )

  test('on a circle of imports', () => {
    expect(red.get('relay/circle-a.ts')).toContain(CYCLES)
    expect(red.get('relay/circle-b.ts')).toContain(CYCLES)
  })
})

describe('lint stays green', () => {
  test.each(CASES.flatMap((one, index) => (one.rule ? [] : [{ ...one, index }])))('$folder: $code', ({ index }) => {
    expect(red.get(fileOf(index))).toBeUndefined()
  })

  test('on a line of imports', () => {
    expect(red.get('relay/line-a.ts')).toBeUndefined()
  })
})
