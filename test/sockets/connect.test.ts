import { expect, it } from 'vitest'
import { createSocketPool, listenTcp, listenTls } from '../../src/index.js'
import { HERE_IN_PATTERN } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

it('names the address, the cause and a fix of a refused connect', async () => {
  const server = await listenTcp()
  await server.close()
  await expect(createSocketPool().connect(server.endpoint)).rejects.toMatchObject({
    code: 'ECONNREFUSED',
    syscall: 'connect',
    port: server.port,
    message: expect.stringMatching(
      new RegExp(
        `^Cannot connect to ${HERE_IN_PATTERN}:\\d+: ECONNREFUSED \\(connection refused\\)\\.\n {2}cause {6}.+\n {2}fix {8}.+$`,
      ),
    ),
  })
})

it('suggests `ca` to a client that does not trust the certificate', async () => {
  const server = await listenTls()
  await expect(server.connect({ tls: { ca: [] } })).rejects.toMatchObject({
    message: expect.stringMatching(
      /^Cannot connect to .*: [A-Z_]+ .*\.\n {2}cause {6}.*does not have the certificate of the authority.*\n {2}fix {8}.*connect\(\{ tls: \{ ca \} \}\)/,
    ),
  })
  await server.close()
})

it('rejects an aborted connect with its reason, and leaves nothing open', async () => {
  const server = await listenTcp()
  const reason = new Error('enough')
  await expect(server.connect({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
    code: 'ABORT_ERR',
    cause: reason,
  })
  await server.close()
})

it.each([0, -1, Number.NaN, '5'])('rejects the timeout %o', async (timeout) => {
  const server = await listenTcp()
  await expect(server.connect({ timeout: timeout as number })).rejects.toMatchObject({
    code: typeof timeout === 'number' ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE',
  })
  await server.close()
})

it.each([undefined, null, 3000])('rejects the endpoint %o', async (to) => {
  await expect(createSocketPool().connect(to as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
})
