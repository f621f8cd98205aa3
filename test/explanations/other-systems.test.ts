import { describe, expect, it } from 'vitest'
import { circumstancesOf } from '../../src/explanations/circumstances-of.js'
import { classify } from '../../src/explanations/classify.js'
import { tooMany } from '../../src/explanations/local-circumstances.js'
import { failuresIn, type SocketFailure } from '../../src/explanations/socket-failure.js'
import {
  assertAddressInUse,
  assertAddressNotAvailable,
  assertEphemeralPortsExhausted,
  explainSocketError,
  listenTcp,
} from '../../src/index.js'
import { WILDCARD } from '../../src/loopback/endpoint.js'
import { ELSEWHERE, HERE, HERE_FAMILY } from '../support/here.js'
import { onPlatform } from '../support/on-platform.js'

// The errors are those of other kernels, by their sources; the host is this one.

/** An error as Node makes it for a call of the kernel. */
function failed(code: string, syscall: string, fields: Record<string, unknown>): Error {
  const { address, port, local } = fields
  const place = address === undefined ? '' : ` ${address}${port === undefined ? '' : `:${port}`}`
  const from = local === undefined ? '' : ` - Local (${local})`
  return Object.assign(new Error(`${syscall} ${code}${place}${from}`), { code, syscall, errno: -1, ...fields })
}

const kindOf = (error: Error): string => classify(failuresIn(error)[0] as SocketFailure).kind

describe('EADDRNOTAVAIL of a bind to port 0', () => {
  it.each(['darwin', 'freebsd'] as const)('is exhaustion on %s, for an address of this host', (platform) => {
    onPlatform(platform)
    for (const address of [HERE, WILDCARD[HERE_FAMILY]]) {
      expect(kindOf(failed('EADDRNOTAVAIL', 'listen', { address, port: 0 }))).toBe('exhaustion')
      expect(kindOf(failed('EADDRNOTAVAIL', 'bind', { address }))).toBe('exhaustion')
    }
  })

  it('is an absent address on macOS, for another address or a port that was asked for', () => {
    onPlatform('darwin')
    expect(kindOf(failed('EADDRNOTAVAIL', 'listen', { address: ELSEWHERE, port: 0 }))).toBe('absent-address')
    expect(kindOf(failed('EADDRNOTAVAIL', 'listen', { address: HERE, port: 3000 }))).toBe('absent-address')
  })

  it.each(['linux', 'win32'] as const)('is an absent address on %s', (platform) => {
    onPlatform(platform)
    expect(kindOf(failed('EADDRNOTAVAIL', 'listen', { address: HERE, port: 0 }))).toBe('absent-address')
  })

  it('passes assertEphemeralPortsExhausted() on macOS', async () => {
    onPlatform('darwin')
    const error = failed('EADDRNOTAVAIL', 'listen', { address: HERE, port: 0 })
    expect(await assertEphemeralPortsExhausted(error)).toBe(error)
  })
})

describe('EADDRINUSE of a connect', () => {
  const peer = { address: '127.0.0.1', port: 3000 }

  it.each(['darwin', 'win32'] as const)('is a taken tuple on %s if the client chose its port', (platform) => {
    onPlatform(platform)
    expect(kindOf(failed('EADDRINUSE', 'connect', { ...peer, local: '127.0.0.1:4000' }))).toBe('taken-tuple')
  })

  it('passes assertAddressInUse() on macOS and Windows if the tuple is taken', async () => {
    onPlatform('darwin')
    const error = failed('EADDRINUSE', 'connect', { ...peer, local: '127.0.0.1:4000' })
    expect(await assertAddressInUse(error)).toBe(error)
    await expect(assertAddressNotAvailable(error)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_ASSERTION' })
  })

  it.each(['darwin', 'win32', 'linux'] as const)('is exhaustion on %s if the kernel chose it', (platform) => {
    onPlatform(platform)
    expect(kindOf(failed('EADDRINUSE', 'connect', peer))).toBe('exhaustion')
    expect(kindOf(failed('EADDRINUSE', 'connect', { ...peer, local: '0.0.0.0:0' }))).toBe('exhaustion')
  })
})

describe('EACCES of a low port', () => {
  it('is a privileged port on macOS for a specific address only', () => {
    onPlatform('darwin')
    expect(kindOf(failed('EACCES', 'listen', { address: '127.0.0.1', port: 80 }))).toBe('privileged-port')
    for (const address of ['0.0.0.0', '::']) {
      expect(kindOf(failed('EACCES', 'listen', { address, port: 80 }))).toBe('forbidden')
    }
  })

  it('is an excluded range on Windows, which has no privileged ports', () => {
    onPlatform('win32')
    expect(kindOf(failed('EACCES', 'listen', { address: '127.0.0.1', port: 80 }))).toBe('excluded-range')
  })
})

describe('EACCES of a port on Windows', () => {
  it('names the process that has the port, if no range excludes it', async () => {
    await using server = await listenTcp()
    const error = failed('EACCES', 'listen', { address: server.address, port: server.port })
    // The table of this system, because Windows has another.
    const failure = failuresIn(error)[0] as SocketFailure
    const usual = { cause: 'usual', owners: [], hints: [] }
    const known = { ...classify(failure), kind: 'excluded-range' as const }
    const { cause, owners, hints } = circumstancesOf(failure, known, usual)
    expect([owners.length, cause]).toEqual([1, expect.stringContaining('this process')])
    expect(hints).toContainEqual(expect.stringContaining('netsh int ipv4 show excludedportrange protocol=tcp'))
  })
})

describe('an exhausted range', () => {
  it.each([
    ['linux', 'net.ipv4.ip_local_port_range'],
    ['darwin', 'net.inet.ip.portrange.first and last'],
    ['freebsd', 'net.inet.ip.portrange.first and last'],
    ['openbsd', 'net.inet.ip.portfirst and portlast'],
    ['win32', 'netsh int ipv4 set dynamicport tcp'],
  ] as const)('has the setting of %s in its hint', (platform, setting) => {
    const error = failed('EADDRNOTAVAIL', 'connect', { address: HERE, port: 3000 })
    const failure = failuresIn(error)[0] as SocketFailure
    const known = classify(failure)
    onPlatform(platform)
    const { hints } = circumstancesOf(failure, known, { cause: '', owners: [], hints: [] })
    expect(hints).toContainEqual(expect.stringContaining(`widen the range (${setting})`))
  })
})

describe('ENOENT of a connect to a path', () => {
  it('on Windows is a path outside the name space of pipes', async () => {
    onPlatform('win32')
    const error = failed('ENOENT', 'connect', { address: 'C:\\s.sock' })
    expect((await explainSocketError(error)).cause).toBe(
      'on Windows the path must begin with \\\\.\\pipe\\ or \\\\?\\pipe\\',
    )
  })
})

describe('a limit that Windows does not have', () => {
  it('is not named for a path that is too long', async () => {
    onPlatform('win32')
    const path = `\\\\.\\pipe\\${'x'.repeat(300)}`
    const { cause } = await explainSocketError(failed('ENAMETOOLONG', 'listen', { address: path }))
    expect(cause).toBe('the path is too long for a socket: it has 309 bytes')
  })

  it('is not named for EMFILE', () => {
    onPlatform('win32')
    const usual = { cause: 'ulimit -n', owners: [], hints: ['ulimit -n'] }
    expect(JSON.stringify(tooMany(usual, { open: undefined, limit: undefined }))).not.toContain('ulimit')
  })
})

describe('EACCES of a path', () => {
  it('on Windows is a path outside the name space of pipes', async () => {
    onPlatform('win32')
    const { cause, hints } = await explainSocketError(failed('EACCES', 'listen', { address: 'C:\\s.sock' }))
    expect([cause, hints[0]]).toEqual([
      'on Windows the path must begin with \\\\.\\pipe\\ or \\\\?\\pipe\\',
      'let listenUnix() choose the path',
    ])
  })

  it('on Windows is not explained by the name of a pipe that is right', async () => {
    onPlatform('win32')
    const { cause } = await explainSocketError(failed('EACCES', 'listen', { address: '\\\\.\\pipe\\mine' }))
    expect(cause).not.toContain('must begin with')
  })
})
