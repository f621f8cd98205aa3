import { execFileSync } from 'node:child_process'
import { relative } from 'node:path'
import { check } from './check.js'
import { isReadable, textsOf } from './texts.js'

// Documentation, comments, messages and titles of tests; `npm run lint -- FILE ...` takes some of them.

const UNREAD = /^(?:fixtures\/captures|test\/prose)\//

const named = process.argv.slice(2).map((file) => relative(process.cwd(), file))
const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...named], {
  encoding: 'utf8',
})
let findings = 0
for (const file of listed.trim().split('\n').filter(isReadable)) {
  if (UNREAD.test(file)) continue
  for (const { line, text, heading } of textsOf(file)) {
    for (const finding of check(text, line, { heading })) {
      findings++
      console.log(`${file}:${finding.line} ${finding.message}`)
    }
  }
}
console.log(`${findings} findings in the prose`)
process.exitCode = findings === 0 ? 0 : 1
