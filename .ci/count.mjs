// Prints "passed failed" of one report: Vitest's JSON, or {"passed":…,"failed":…}. A runner that failed without a
// failed test to show (a file that did not load, an unhandled error, no report) counts as one failure, never as none.
import { existsSync, readFileSync } from 'node:fs'

const [file = '', status = '1'] = process.argv.slice(2)

function count(report) {
  if (report.numPassedTests === undefined) return [report.passed, report.failed]
  const unloaded = report.testResults.filter(({ status, assertionResults }) => {
    return status === 'failed' && !assertionResults.some(test => test.status === 'failed')
  })
  return [report.numPassedTests, report.numFailedTests + unloaded.length]
}

const [passed, failed] = existsSync(file) ? count(JSON.parse(readFileSync(file, 'utf8'))) : [0, 0]
console.log(passed, failed === 0 && status !== '0' ? 1 : failed)
