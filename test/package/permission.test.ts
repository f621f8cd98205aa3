import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const DIST = join(import.meta.dirname, '../../dist/index.js')
/** Node 20 has the permission model under its first name, and restricts no network. */
const FLAG = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
const RESTRICTS_NET = process.allowedNodeEnvironmentFlags.has('--allow-net')
const GRANTS = ['--allow-fs-read=*', ...(RESTRICTS_NET ? ['--allow-net'] : [])]

/** The message and code of the error that the call rejects with, in a process with these flags. */
async function refused(call: string, flags: readonly string[]): Promise<{ code: string; message: string }> {
  const script = `import(${JSON.stringify(DIST)}).then(async (portside) => {
    const error = await (${call})(portside).catch((error) => error)
    console.log(JSON.stringify({ code: error.code, message: error.message }))
    process.exit(0)
  })`
  const { stdout } = await promisify(execFile)(process.execPath, [FLAG, ...flags, '--eval', script])
  return JSON.parse(stdout)
}

describe('under the permission model of Node', () => {
  it('spawnListening() names --allow-child-process', async () => {
    const { code, message } = await refused('(p) => p.spawnListening(process.execPath, ["x.js"])', GRANTS)
    expect(code).toBe('ERR_ACCESS_DENIED')
    expect(message).toContain('fix        start Node with --allow-child-process, or without --permission')
  })

  it('unresponsiveEndpoint() names --allow-worker', async () => {
    const { code, message } = await refused('(p) => p.unresponsiveEndpoint()', GRANTS)
    expect(code).toBe('ERR_ACCESS_DENIED')
    expect(message).toContain('cause      Node runs with --permission and without --allow-worker')
  })

  it('listenUnix() names --allow-fs-write', async () => {
    const { code, message } = await refused('(p) => p.listenUnix()', GRANTS)
    expect(code).toBe('ERR_ACCESS_DENIED')
    expect(message).toContain('Cannot make a directory for the unix socket')
    expect(message).toContain('start Node with --allow-fs-write')
  })

  it('namespaceSupport() gives the flag as its reason', async () => {
    const { message } = await refused('(p) => p.namespaceSupport().then(({ reason }) => ({ message: reason }))', GRANTS)
    if (process.platform === 'linux') {
      expect(message).toBe('Node runs with --permission and without --allow-child-process')
    } else expect(message).not.toBe('')
  })

  it
    .runIf(RESTRICTS_NET)
    .each([
      'listenTcp()',
      "listenTcp(undefined, { host: '127.0.0.1' })",
      "listenTcp(undefined, { family: 'dual' })",
      'listenUdp()',
      'listenUnix()',
      'reservePort()',
      'refusedEndpoint()',
      'unresponsiveEndpoint()',
    ])('%s names --allow-net, on a Node that restricts the network', async (call) => {
    const { code, message } = await refused(`(p) => p.${call}`, ['--allow-fs-read=*'])
    expect(code).toBe('ERR_ACCESS_DENIED')
    expect(message).toContain('fix        start Node with --allow-net, or without --permission')
  })
})
