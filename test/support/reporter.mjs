// For Vitest: appends each test to the file RESULTS as a line of JSON, with its errors or the reason why it is skipped. The lines stay if a
// time limit ends the run.
import { appendFileSync } from 'node:fs'
import process from 'node:process'

export default class {
  onTestModuleEnd(module) {
    const lines = [...module.children.allTests()].map((test) => {
      const { state, errors = [], note } = test.result()
      const said = (state === 'skipped' ? [note ?? ''] : errors.map(({ message }) => message))
        .join(' ')
        .replace(/\s+/g, ' ')
        .slice(0, 400)
      return JSON.stringify({ file: module.relativeModuleId, title: test.fullName, state, said })
    })
    for (const { message } of module.errors()) {
      lines.push(JSON.stringify({ file: module.relativeModuleId, title: '(the file)', state: 'failed', said: message }))
    }
    appendFileSync(process.env.RESULTS, lines.map((line) => `${line}\n`).join(''))
  }
}
