import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { tempDir } from '../helpers/temp-dir.ts'

const COUNT = resolve(import.meta.dirname, '../../.ci/count.mjs')
const count = (report: unknown, status: number): string => {
  const file = join(tempDir(), 'report.json')
  if (report !== undefined) writeFileSync(file, JSON.stringify(report))
  return execFileSync(process.execPath, [COUNT, file, String(status)], { encoding: 'utf8' }).trim()
}
const vitest = (
  passed: number,
  failed: number,
  files: { name?: string; status: string; message?: string; assertionResults: { status: string }[] }[] = [],
) => ({
  numPassedTests: passed,
  numFailedTests: failed,
  testResults: files,
})

// What .ci/run adds up must never be rosier than what happened.
test.each([
  ['all passed', vitest(7, 0), 0, '7 0'],
  ['some failed', vitest(7, 2), 1, '7 2'],
  ['a file did not load', vitest(7, 0, [{ status: 'failed', assertionResults: [] }]), 1, '7 1'],
  [
    'a file with its failed tests is not counted twice',
    vitest(7, 1, [{ status: 'failed', assertionResults: [{ status: 'failed' }] }]),
    1,
    '7 1',
  ],
  ['an unhandled error failed the run', vitest(7, 0), 1, '7 1'],
  ['no report at all', undefined, 1, '0 1'],
  ['a tally of our own', { passed: 3, failed: 1 }, 1, '3 1'],
])('%s', (_, report, status, expected) => {
  expect(count(report, status).split('\n', 1)[0]).toBe(expected)
})

test('what failed stands on the lines after the figures', () => {
  const name = resolve('test/some.test.ts')
  const failed = { status: 'failed', fullName: 'adds up', failureMessages: ['Error: one is missing\n    at x'] }
  const files = [
    { name, status: 'failed', assertionResults: [failed, { ...failed, status: 'passed' }] },
    { name, status: 'failed', assertionResults: [], message: 'Error: no such module' },
  ]
  expect(count(vitest(1, 1, files), 1).split('\n')).toEqual([
    '1 2',
    'test/some.test.ts: adds up: Error: one is missing',
    'test/some.test.ts: Error: no such module',
  ])
})
