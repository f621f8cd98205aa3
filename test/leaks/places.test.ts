import { once } from 'node:events'
import net from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { assertConnectionRefused, explainSocketError, listenTcp, trackSockets } from '../../src/index.js'

test('the error for an address that this process uses names the place and the test', async () => {
  const server = await trackSockets().run({ name: 'an earlier test' }, () => listenTcp())
  onTestFinished(() => void server.close())
  const [error] = await once(net.createServer().listen(server.port, server.address), 'error')
  const { hints } = await explainSocketError(error)
  expect(hints[0]).toMatch(
    /^close the socket of this process first and await that; .*; it was opened at test\/leaks\/places\.test\.ts:\d+:\d+, by 'an earlier test'$/,
  )
})

test('a failing assertion names them too', async () => {
  const server = await listenTcp()
  onTestFinished(() => void server.close())
  const failing = assertConnectionRefused(once(net.createServer().listen(server.port, server.address), 'listening'))
  await expect(failing).rejects.toThrow(/it was opened at test\/leaks\/places\.test\.ts:\d+:\d+/)
})
