import { once } from 'node:events'
import http from 'node:http'
import { expect, it } from 'vitest'
import { createSocketPool, listenHttp } from '../../src/index.js'
import { turn } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

it('drains an agent with many sockets without a warning of too many listeners', async () => {
  const warnings: Error[] = []
  const warn = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warn)
  const server = await listenHttp()
  const pool = createSocketPool()
  const agent = pool.track(new http.Agent({ keepAlive: true }))
  const answers = Array.from({ length: 15 }, async () => {
    const [response] = await once(http.get(server.url, { agent }), 'response')
    await once(response.resume(), 'end')
  })
  await Promise.all(answers)
  expect(pool.size).toBe(15)
  expect(await pool.drain()).toMatchObject({ closed: 15, destroyed: 0 })
  await turn()
  process.off('warning', warn)
  expect(warnings).toEqual([])
  await server.close()
})
