// Prints "passed failed" of one report, and the names of what failed on the lines after it: Vitest's JSON, or
// {"passed":…,"failed":…}. A runner that failed without a failed test to show (a file that did not load, an unhandled
// error, no report) counts as one failure, never as none.
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

const [file = '', status = '1'] = process.argv.slice(2)

function count(report) {
  if (report.numPassedTests === undefined) return [report.passed, report.failed, []]
  const unloaded = report.testResults.filter(({ status, assertionResults }) => {
    return status === 'failed' && !assertionResults.some(test => test.status === 'failed')
  })
  const named = report.testResults.flatMap(({ name, assertionResults }) => {
    const where = place(name)
    return assertionResults
      .filter(test => test.status === 'failed')
      .map(test => `${where}: ${test.fullName}: ${firstLine(test.failureMessages?.[0])}`)
  })
  return [
    report.numPassedTests,
    report.numFailedTests + unloaded.length,
    [...named, ...unloaded.map(({ name, message }) => `${place(name)}: ${firstLine(message)}`)],
  ]
}

const place = (name = '') => relative(process.cwd(), name)
const firstLine = (text = '') => text.split('\n', 1)[0].slice(0, 200)

const [passed, failed, names] = existsSync(file) ? count(JSON.parse(readFileSync(file, 'utf8'))) : [0, 0, []]
console.log(passed, failed === 0 && status !== '0' ? 1 : failed)
for (const name of names) console.log(name)
