import net from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { LeakCheck, type RunnerOptions } from '../../src/leaks/leak-check.js'

const leftBy = async (check: LeakCheck): Promise<string | undefined> => {
  const owner = check.beginTest('a test')
  const server = check.run(owner, () => net.createServer().listen(0, '127.0.0.1'))
  onTestFinished(() => void server.close())
  return (await check.endTest(owner))?.message
}

test('later options replace earlier ones', async () => {
  const check = new LeakCheck(import.meta.filename, { leaks: { ignore: [{ kind: 'listener' }] } })
  expect(await leftBy(check)).toBeUndefined()
  check.use({ leaks: 'fail' })
  expect(await leftBy(check)).toContain("'a test' left 1 socket open")
  check.use({ leaks: 'off' })
  expect(await leftBy(check)).toBeUndefined()
  expect(await check.endFile()).toBeUndefined()
})

test('a check that was off can be turned on', async () => {
  const check = new LeakCheck(import.meta.filename, { leaks: 'off' })
  expect(check.beginTest('a test')).toBeUndefined()
  check.use({ leaks: 'fail' })
  expect(await leftBy(check)).toContain("'a test' left 1 socket open")
  await check.endFile()
})

test('invalid options are rejected, and the earlier ones stay', () => {
  const check = new LeakCheck(import.meta.filename, { leaks: { mode: 'warn' } })
  expect(() => check.use({ leak: 'off' } as RunnerOptions)).toThrow('Invalid option "leak" of install()')
  expect(check.options).toEqual({ mode: 'warn' })
})
