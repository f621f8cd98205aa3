import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
// A URL, because a path of Windows begins with the name of a drive, which `--import` takes for a scheme.
const TRACKING = new URL('../../src/leaks/register.ts', import.meta.url).href

/** The output of a process that tracks its sockets from its start. */
async function printed(source: string): Promise<string> {
  const { stdout } = await run(process.execPath, [
    '--import',
    'tsx',
    '--import',
    TRACKING,
    '--input-type=module',
    '-e',
    source,
  ])
  return stdout.trim()
}

test('a process that tracks its sockets has no handle of portside', async () => {
  const source =
    'setTimeout(() => console.log(process.getActiveResourcesInfo().filter((type) => /TCP/.test(type)).length), 50)'
  expect(await printed(source)).toBe('0')
})

test('an async hook is on only while a test runs', async () => {
  const source = `
    import vm from 'node:vm'
    try {
      const code = 'Promise.resolve().then(() => { while (true) now() })'
      vm.runInNewContext(code, { now: Date.now }, { timeout: 10, microtaskMode: 'afterEvaluate' })
    } catch (error) {
      console.log(error.code)
    }`
  // Node 20 and 22 abort there if any hook is on.
  expect(await printed(source)).toBe('ERR_SCRIPT_EXECUTION_TIMEOUT')
})
