import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { tempDir } from '../helpers/temp-dir.ts'

interface Result {
  readonly target: string
  readonly scenario: string
  readonly case: string
  readonly operations: number
  readonly connections?: number
  readonly stored?: number
}

const root = fileURLToPath(new URL('../..', import.meta.url))

test('`npm run bench -- --quick` measures every scenario and writes what it found', { timeout: 300_000 }, () => {
  const folder = tempDir()
  const out = join(folder, 'results.json')
  const report = join(folder, 'results.md')
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['bench/run.mjs', '--quick', '--out', out, '--report', report, '--dir', join(folder, 'data')],
    { cwd: root, encoding: 'utf8' },
  )
  expect(status, stderr).toBe(0)
  const run = JSON.parse(readFileSync(out, 'utf8'))
  const results: readonly Result[] = run.results
  const [lead] = run.targets.filter(({ kind }: { kind: string }) => kind === 'posthorn')
  const cases = (scenario: string) =>
    results.filter(result => result.target === lead.name && result.scenario === scenario)

  expect(run).toMatchObject({ v: 1, options: { quick: true, events: 400 }, node: process.version })
  expect(run.missing.filter(({ failed }: { failed?: boolean }) => failed)).toEqual([])
  // Forty of the events warm up.
  expect(cases('ingest').map(({ operations }) => operations)).toEqual([360])
  expect(cases('open').map(({ operations }) => operations)).toEqual([25, 50])
  expect(cases('query').map(result => result.case)).toContain('latest 100')
  expect(cases('query').every(({ operations }) => operations > 0)).toBe(true)
  expect(cases('backfill').map(({ stored }) => stored)).toEqual([400, 400, 400, 400])
  expect(cases('fanout').map(({ operations }) => operations)).toEqual([18 * 20, 20 * 20])
  expect(cases('mixed').find(result => result.case === 'deliver')?.operations).toBe(20 * 5)
  expect(cases('connections')[0]?.connections).toBe(98)
  // Once with each verifier that works here.
  expect([...new Set(cases('waking').map(({ operations }) => operations))]).toEqual([100])
  expect(cases('state').map(result => result.case)).toEqual([
    'one small change',
    '500 writes over 8 keys',
    'waking over 100 changes',
    'a record after 500 writes',
  ])
  expect(cases('large').map(result => result.case)).toEqual(
    expect.arrayContaining(['start, cold', 'start, warm', 'latest 100', 'search']),
  )
  expect(readFileSync(report, 'utf8')).toBe(stdout)
  expect(stdout).toContain(`| latest 100 | ${lead.name} |`)
})
