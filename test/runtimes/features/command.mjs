import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ownRuntime } from './talk.mjs'

const cli = async (dist, ...words) => {
  const [program, args] = ownRuntime()
  const { stdout } = await promisify(execFile)(program, [...args, join(dist, 'cli.js'), ...words], { timeout: 15_000 })
  return stdout
}

export const command = {
  async 'portside --version'({ dist }) {
    assert.match(await cli(dist, '--version'), /\d+\.\d+\.\d+/)
  },
  async 'portside who'({ dist, listenTcp }) {
    const server = await listenTcp()
    assert.match(await cli(dist, 'who', String(server.port), '--json'), /"pid"/)
    await server.close()
  },
  async 'portside doctor'({ dist }) {
    const stdout = await cli(dist, 'doctor', '--json').catch((error) => error.stdout)
    assert.ok(JSON.parse(stdout))
  },
  async 'portside wait'({ dist, listenHttp }) {
    const server = await listenHttp((_request, response) => response.end())
    await cli(dist, 'wait', String(server.port))
    await server.close()
  },
}
