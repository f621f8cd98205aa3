// Prints `N passed, N failed, N skipped` from Vitest's JSON report. A file that fails outside its tests counts as one failed test.
import { readFileSync } from 'node:fs'

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const brokenFiles = report.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
)
const failed = report.numFailedTests + brokenFiles.length
console.log(`${report.numPassedTests} passed, ${failed} failed, ${report.numPendingTests + report.numTodoTests} skipped`)
if (failed > 0 || report.numPassedTests === 0) process.exitCode = 1
