import { describe, expect, it } from 'vitest'
import { formatEndpoint } from '../../src/loopback/endpoint.js'
import { loopbackFamilies } from '../../src/loopback/probe.js'
import { listenTcp } from '../../src/servers/tcp.js'
import { listenUdp } from '../../src/servers/udp.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { portside } from './command-line.js'

leavesNothingOpen()

describe('portside who', () => {
  it('prints the process that listens, as a table', async () => {
    await using server = await listenTcp()
    const { stdout, stderr, code } = await portside('who', String(server.port))
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    const [headings, row, ...rest] = stdout.trimEnd().split('\n')
    expect(headings).toMatch(/^PROTOCOL +STATE +ADDRESS +PID +PROGRAM +UID$/)
    expect(row?.split(/ +/).slice(0, 4)).toEqual([
      'tcp',
      'LISTEN',
      formatEndpoint(server.endpoint),
      String(process.pid),
    ])
    expect(rest).toEqual([])
  })

  it.each(loopbackFamilies())('prints the owner of one address as JSON, on %s', async (family) => {
    await using server = await listenTcp(undefined, { family })
    const { stdout, code } = await portside('who', formatEndpoint(server.endpoint), '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual([
      expect.objectContaining({ protocol: 'tcp', state: 'LISTEN', local: server.endpoint, pid: process.pid }),
    ])
  })

  it('accepts UDP ports and host names', async () => {
    await using server = await listenUdp()
    const { stdout } = await portside('who', `localhost:${server.port}`, '--json')
    expect(JSON.parse(stdout)).toEqual([expect.objectContaining({ protocol: 'udp', local: server.endpoint })])
  })

  it('exits with 1 when nothing holds the port', async () => {
    await using server = await listenTcp()
    const { port } = server
    await server.close()
    expect(await portside('who', String(port))).toMatchObject({
      stdout: `Nothing holds port ${port}.\n`,
      stderr: '',
      code: 1,
    })
    expect(await portside('who', String(port), '--json')).toMatchObject({ stdout: '[]\n', stderr: '', code: 1 })
  })

  // The resolver asks no server about an empty label (RFC 1035 §3.1).
  it.each([[], ['--json']])('exits with 2 when the host name does not resolve %s', async (...options) => {
    const result = await portside('who', 'no..host:5', ...options)
    expect(result).toMatchObject({ stdout: '', code: 2, signal: null })
    expect(result.stderr).toMatch(/^portside who: the host name 'no..host' does not resolve \(usage: [^\n]+\)\n$/)
  })
})
