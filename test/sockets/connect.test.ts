import { expect, it } from 'vitest'
import { createSocketPool, listenTcp, listenTls } from '../../src/index.js'
import { HERE_IN_PATTERN } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

it('a refused connect says what was dialled, why it failed and what to do', async () => {
  const server = await listenTcp()
  await server.close()
  await expect(createSocketPool().connect(server.endpoint)).rejects.toMatchObject({
    code: 'ECONNREFUSED',
    syscall: 'connect',
    port: server.port,
    message: expect.stringMatching(
      new RegExp(`connect to ${HERE_IN_PATTERN}:\\d+: got ECONNREFUSED \\(connection refused\\)\\. Cause: .* Next: `),
    ),
  })
})

it('a client that does not trust the certificate is told of `ca`', async () => {
  const server = await listenTls()
  await expect(server.connect({ tls: { ca: [] } })).rejects.toMatchObject({
    message: expect.stringMatching(/connect to .*: got [A-Z_]+ .*does not trust.*connect\(\{ tls: \{ ca \} \}\)/),
  })
  await server.close()
})

it('an aborted connect rejects with its reason, and leaves nothing open', async () => {
  const server = await listenTcp()
  const reason = new Error('enough')
  await expect(server.connect({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
    code: 'ABORT_ERR',
    cause: reason,
  })
  await server.close()
})

it.each([0, -1, Number.NaN, '5'])('the timeout %o is refused', async (timeout) => {
  const server = await listenTcp()
  await expect(server.connect({ timeout: timeout as number })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
  await server.close()
})

it.each([undefined, null, 3000])('%o is no endpoint', async (to) => {
  await expect(createSocketPool().connect(to as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
})
