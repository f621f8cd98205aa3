import net from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { listenTcp } from '../../src/index.js'
import { checkMainProcess, openInMainProcess, trackMainProcess } from '../../src/leaks/main-process.js'

trackMainProcess()

test('names and closes sockets that are left open in the main process', async () => {
  expect(await checkMainProcess({}, 'Vitest')).toBeUndefined()
  const server = net.createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await vi.waitFor(() => expect(openInMainProcess()).toMatch(/^\n?\d+\. listener 127\.0\.0\.1/m))
  const error = await checkMainProcess({ leaks: { kernel: true } }, 'Vitest')
  expect(error?.message).toMatch(/^portside: 1 socket left open in the main process of Vitest\.\n\n1\. listener 127/)
  expect(error?.message).toContain('test/leaks/main-process.test.ts')
  await vi.waitFor(() => expect(server.listening).toBe(false))
  expect(await checkMainProcess({}, 'Vitest')).toBeUndefined()
})

test('mode: off does not look, warn prints', async () => {
  const server = await listenTcp()
  onTestFinished(() => void server.close({ grace: 0 }))
  expect(await checkMainProcess({ leaks: 'off' }, 'Jest')).toBeUndefined()
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
  expect(await checkMainProcess({ leaks: 'warn' }, 'Jest')).toBeUndefined()
  expect(warned.mock.calls.join()).toContain('1 socket left open in the main process of Jest')
  warned.mockRestore()
})

test('a socket that matches a rule may stay open', async () => {
  const server = await listenTcp()
  onTestFinished(() => void server.close({ grace: 0 }))
  const ignore = [{ endpoint: { port: server.port }, because: 'this test says so' }]
  expect(await checkMainProcess({ leaks: { ignore } }, 'Mocha')).toBeUndefined()
})
