import { describe, expect, it } from 'vitest'
import { leavesNothingOpen } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'
import { ASSERTION_NAMES, type AssertionName } from './situations.js'

// Outcomes that need a private host: with few ports, with routes, without IPv6.

leavesNothingOpen()

/** The observations of one error: the passing assertions, at its place and elsewhere, and its explanation. */
interface Seen {
  readonly code: string
  readonly passing: readonly AssertionName[]
  /** The verdict of the passing assertion with a wrong expected address. */
  readonly elsewhere: string
  readonly message: string
  readonly summary: string
  readonly cause: string
  readonly hints: readonly string[]
}

interface Case {
  readonly name: string
  /** Code of a function that returns the failing emitter. It may use the declarations of `prepare`. */
  readonly begin: string
  readonly code: string
  readonly passing: AssertionName | undefined
  readonly explained: RegExp
}

interface Host {
  readonly name: string
  readonly setUp: string
  readonly prepare?: string
  /** The kernel is slow here, so each error is raised once. */
  readonly slow?: boolean
  readonly cases: readonly Case[]
}

const RANGE = 'echo 40000 40009 > /proc/sys/net/ipv4/ip_local_port_range'
const NO_IPV6 = 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1'

/** A server outside the range, and a loop that opens sockets until one fails. */
const FILL = `
  const server = net.createServer().listen(5000, '127.0.0.1')
  await once(server, 'listening')
  const held = []
  const fill = async (begin) => {
    for (;;) {
      const emitter = begin()
      held.push(emitter)
      if (await errorOf(emitter) !== undefined) break
    }
  }`

const EXHAUSTED =
  /^the ephemeral range, 40000 to 40009, has no port left for it: of 10, 10 are in use and 0 in TIME_WAIT$/

const hosts: readonly Host[] = [
  {
    name: 'whose ephemeral ports are all connected',
    setUp: RANGE,
    prepare: `${FILL}; await fill(() => net.connect(5000, '127.0.0.1'))`,
    cases: [
      {
        name: 'a connect finds no port',
        begin: "net.connect(5000, '127.0.0.1')",
        code: 'EADDRNOTAVAIL',
        passing: 'assertEphemeralPortsExhausted',
        explained: EXHAUSTED,
      },
      {
        name: 'a connect from a local address finds no port',
        begin: "net.connect({ port: 5000, host: '127.0.0.1', localAddress: '127.0.0.1' })",
        code: 'EADDRINUSE',
        passing: 'assertEphemeralPortsExhausted',
        explained: EXHAUSTED,
      },
      {
        name: 'a listen on port 0 finds no port',
        begin: "net.createServer().listen(0, '127.0.0.1')",
        code: 'EADDRINUSE',
        passing: 'assertEphemeralPortsExhausted',
        explained: EXHAUSTED,
      },
      {
        name: 'a listen on port 0 of the wildcard finds no port',
        begin: 'net.createServer().listen(0)',
        code: 'EADDRINUSE',
        passing: 'assertEphemeralPortsExhausted',
        explained: EXHAUSTED,
      },
      {
        name: 'a connect from an address that it lacks is not an exhaustion',
        begin: "net.connect({ port: 5000, host: '127.0.0.1', localAddress: '10.1.1.1' })",
        code: 'EADDRNOTAVAIL',
        passing: 'assertAddressNotAvailable',
        explained: /^this host has no address 10\.1\.1\.1; it has 127\.0\.0\.1/,
      },
      {
        name: 'a listen on an address that it lacks is not an exhaustion',
        begin: "net.createServer().listen(0, '10.1.1.1')",
        code: 'EADDRNOTAVAIL',
        passing: 'assertAddressNotAvailable',
        explained: /^this host has no address 10\.1\.1\.1; it has 127\.0\.0\.1/,
      },
      {
        name: 'a connect from the port of a listener is a conflict',
        begin: "net.connect({ port: 5000, host: '127.0.0.1', localAddress: '127.0.0.1', localPort: 5000 })",
        code: 'EADDRINUSE',
        passing: 'assertAddressInUse',
        explained: /^this process \(pid \d+\) listens on 127\.0\.0\.1:5000$/,
      },
      {
        name: 'a listen on the port of a listener is a conflict',
        begin: "net.createServer().listen(5000, '127.0.0.1')",
        code: 'EADDRINUSE',
        passing: 'assertAddressInUse',
        explained: /^this process \(pid \d+\) listens on 127\.0\.0\.1:5000$/,
      },
    ],
  },
  {
    name: 'whose ephemeral ports all have listeners',
    setUp: RANGE,
    prepare: `${FILL}; await fill(() => net.createServer().listen(0, '127.0.0.1'))`,
    cases: [
      {
        name: 'a listen on port 0 finds no port',
        begin: "net.createServer().listen(0, '127.0.0.1')",
        code: 'EADDRINUSE',
        passing: 'assertEphemeralPortsExhausted',
        explained: EXHAUSTED,
      },
      {
        name: 'a connect finds no port',
        begin: "net.connect(5000, '127.0.0.1')",
        code: 'EADDRNOTAVAIL',
        passing: 'assertEphemeralPortsExhausted',
        explained: EXHAUSTED,
      },
    ],
  },
  {
    name: 'whose ephemeral ports are all in TIME_WAIT',
    setUp: RANGE,
    // The end that closes first keeps the TIME_WAIT.
    prepare: `
      const server = net.createServer((socket) => socket.on('end', () => socket.end())).listen(5000, '127.0.0.1')
      await once(server, 'listening')
      for (;;) {
        const client = net.connect(5000, '127.0.0.1')
        if (await errorOf(client) !== undefined) break
        client.resume().end()
        await once(client, 'close')
      }`,
    cases: [
      {
        name: 'a connect finds no port',
        begin: "net.connect(5000, '127.0.0.1')",
        code: 'EADDRNOTAVAIL',
        passing: 'assertEphemeralPortsExhausted',
        explained: /of 10, 0 are in use and 10 in TIME_WAIT$/,
      },
    ],
  },
  {
    name: 'whose UDP ports are all bound',
    setUp: RANGE,
    prepare: `${FILL}; await fill(() => dgram.createSocket('udp4').bind(0, '127.0.0.1'))`,
    cases: [
      {
        name: 'a bind to port 0 finds no port',
        begin: "dgram.createSocket('udp4').bind(0, '127.0.0.1')",
        code: 'EADDRINUSE',
        passing: 'assertEphemeralPortsExhausted',
        // All TCP ports are free.
        explained: /of 10, 10 are in use\b/,
      },
      {
        name: 'a bind to a port is a conflict',
        begin: "dgram.createSocket('udp4').bind(40001, '127.0.0.1')",
        code: 'EADDRINUSE',
        passing: 'assertAddressInUse',
        explained: /^this process \(pid \d+\) has a UDP socket on 127\.0\.0\.1:40001$/,
      },
    ],
  },
  {
    name: 'with a UDP socket on the port of a connection in TIME_WAIT',
    setUp: RANGE,
    prepare: `
      const server = net.createServer((socket) => socket.on('end', () => socket.end())).listen(5000, '127.0.0.1')
      await once(server, 'listening')
      const client = net.connect({ port: 5000, host: '127.0.0.1', localAddress: '127.0.0.1', localPort: 5001 })
      await once(client, 'connect')
      client.resume().end()
      await once(client, 'close')
      const socket = dgram.createSocket('udp4').bind(5001, '127.0.0.1')
      await once(socket, 'listening')`,
    cases: [
      {
        name: 'a failed bind names the socket, not the connection that blocks nothing',
        begin: "dgram.createSocket('udp4').bind(5001, '127.0.0.1')",
        code: 'EADDRINUSE',
        passing: 'assertAddressInUse',
        explained: /^this process \(pid \d+\) has a UDP socket on 127\.0\.0\.1:5001$/,
      },
    ],
  },
  {
    name: 'with an unused UDP port',
    setUp: '',
    prepare: `
      const socket = dgram.createSocket('udp4').on('error', () => {})
      socket.connect(5000, '127.0.0.1')
      await once(socket, 'connect')`,
    cases: [
      {
        name: 'a datagram from a connected socket is refused',
        begin: "(socket.send('ping', () => {}), socket)",
        code: 'ECONNREFUSED',
        passing: 'assertConnectionRefused',
        explained: /\S/,
      },
    ],
  },
  {
    name: 'with unusable routes',
    setUp:
      'ip route add unreachable 10.0.0.1 && ip route add prohibit 10.0.0.2 && ip route add blackhole 10.0.0.3 && ip -6 route add unreachable fd00::1 && ip -6 route add prohibit fd00::2',
    cases: [
      {
        name: 'an unreachable route is an unreachable host',
        begin: "net.connect(80, '10.0.0.1')",
        code: 'EHOSTUNREACH',
        passing: 'assertHostUnreachable',
        explained: /a route says unreachable/,
      },
      {
        name: 'an unreachable route of IPv6 is an unreachable host',
        begin: "net.connect(80, 'fd00::1')",
        code: 'EHOSTUNREACH',
        passing: 'assertHostUnreachable',
        explained: /a route says unreachable/,
      },
      {
        name: 'a prohibited route is a denied permission',
        begin: "net.connect(80, '10.0.0.2')",
        code: 'EACCES',
        passing: 'assertPermissionDenied',
        explained: /a route prohibits it/,
      },
      {
        name: 'a prohibited route of IPv6 is a denied permission',
        begin: "net.connect(80, 'fd00::2')",
        code: 'EACCES',
        passing: 'assertPermissionDenied',
        explained: /a route prohibits it/,
      },
      {
        name: 'a black hole is an invalid argument, and matches no outcome',
        begin: "net.connect(80, '10.0.0.3')",
        code: 'EINVAL',
        passing: undefined,
        explained: /the route is a blackhole/,
      },
      {
        name: 'a missing route is an unreachable network',
        begin: "net.connect(80, '10.0.0.4')",
        code: 'ENETUNREACH',
        passing: 'assertNetworkUnreachable',
        explained: /there is no default route/,
      },
      {
        name: 'a missing route of IPv6 is an unreachable network',
        begin: "net.connect(80, 'fd00::4')",
        code: 'ENETUNREACH',
        passing: 'assertNetworkUnreachable',
        explained: /there is no default route/,
      },
    ],
  },
  {
    name: 'without IPv6',
    setUp: NO_IPV6,
    cases: [
      {
        name: 'a connect to ::1 lacks the address',
        begin: "net.connect(80, '::1')",
        code: 'EADDRNOTAVAIL',
        passing: 'assertAddressNotAvailable',
        explained: /^this host has no IPv6: binding ::1 failed with EADDRNOTAVAIL/,
      },
      {
        name: 'a listen on ::1 lacks the address',
        begin: "net.createServer().listen(0, '::1')",
        code: 'EADDRNOTAVAIL',
        passing: 'assertAddressNotAvailable',
        explained: /^this host has no IPv6: binding ::1 failed with EADDRNOTAVAIL/,
      },
      {
        name: 'a UDP bind to ::1 lacks the address',
        begin: "dgram.createSocket('udp6').bind(0, '::1')",
        code: 'EADDRNOTAVAIL',
        passing: 'assertAddressNotAvailable',
        explained: /^this host has no IPv6: binding ::1 failed with EADDRNOTAVAIL/,
      },
      {
        name: 'a name with an address of each family is refused, because the one of IPv6 does not count',
        begin: "net.connect({ port: 80, host: 'both.test', lookup })",
        code: 'EADDRNOTAVAIL',
        passing: 'assertConnectionRefused',
        explained: /the server is not up yet/,
      },
      {
        name: 'a name that needs a resolver is not found',
        begin: "net.connect({ port: 80, host: 'nobody.invalid' })",
        code: 'EAI_AGAIN',
        passing: undefined,
        explained: /its server cannot be reached/,
      },
    ],
  },
  {
    name: 'without IPv6 and without ephemeral ports',
    setUp: `${NO_IPV6} && ${RANGE}`,
    prepare: `${FILL}; await fill(() => net.connect(5000, '127.0.0.1'))`,
    cases: [
      {
        name: 'a connect over IPv4 finds no port',
        begin: "net.connect(5000, '127.0.0.1')",
        code: 'EADDRNOTAVAIL',
        passing: 'assertEphemeralPortsExhausted',
        explained: EXHAUSTED,
      },
      {
        name: 'a connect to ::1 lacks the address',
        begin: "net.connect(5000, '::1')",
        code: 'EADDRNOTAVAIL',
        passing: 'assertAddressNotAvailable',
        explained: /^this host has no IPv6/,
      },
      {
        name: 'a name with an address of each family finds no port',
        begin: "net.connect({ port: 5000, host: 'both.test', lookup })",
        code: 'EADDRNOTAVAIL',
        passing: 'assertEphemeralPortsExhausted',
        explained: EXHAUSTED,
      },
    ],
  },
  {
    name: 'that gives up a connect after one more attempt',
    setUp:
      'echo 1 > /proc/sys/net/ipv4/tcp_syn_retries && { echo 0 > /proc/sys/net/ipv4/tcp_syn_linear_timeouts; true; } 2> /dev/null',
    prepare: `const endpoint = await portside.unresponsiveEndpoint({ family: 'IPv4' })`,
    slow: true,
    cases: [
      {
        name: 'a full accept queue is a timeout of the kernel',
        begin: 'net.connect(endpoint.port, endpoint.address)',
        code: 'ETIMEDOUT',
        passing: 'assertConnectionTimedOut',
        explained: /^the listener accepts no connections: \d+ connections? waits? in its accept queue$/,
      },
    ],
  },
]

// Each case has its own host: it cannot disturb another.
describe.each(hosts.map((host) => [host.name, host] as const))('a host %s', (_name, host) => {
  let seen: Promise<readonly Seen[]> | undefined

  it.for(host.cases.map((each, index) => [each.name, each, index] as const))('%s', async ([, each, index], context) => {
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    seen ??= look(host)
    const { [index]: found } = await seen
    expect(found).toMatchObject({
      code: each.code,
      passing: each.passing === undefined ? [] : [each.passing],
      elsewhere: each.passing === undefined ? 'none passes' : 'ERR_PORTSIDE_ASSERTION',
      cause: expect.stringMatching(each.explained),
    })
    for (const text of [found?.summary, found?.cause, found?.message, ...(found?.hints ?? [])]) {
      expect(text).toMatch(/\S/)
      expect(text).not.toMatch(/undefined|NaN|\[object/)
    }
    expect(found?.hints.length).toBeGreaterThan(0)
  })
})

it('reports that a user without privileges may not bind a privileged port', async (context) => {
  if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
  // It is root only in its own user namespace, so it has no privilege over the network outside.
  const forbidden = { code: 'EACCES', passing: 'assertPermissionDenied', explained: /is privileged/ } as const
  const seen = await look({
    name: 'of another user',
    setUp: 'exec unshare --user -- "$@"',
    prepare: `const endpoint = await portside.privilegedEndpoint({ family: 'IPv4' })`,
    cases: [
      { name: 'a listen', begin: 'net.createServer().listen(endpoint.port, endpoint.address)', ...forbidden },
      { name: 'a bind', begin: "dgram.createSocket('udp4').bind(endpoint.port, endpoint.address)", ...forbidden },
    ],
  })
  expect(seen).toHaveLength(2)
  for (const found of seen) {
    expect(found).toMatchObject({
      code: 'EACCES',
      passing: ['assertPermissionDenied'],
      elsewhere: 'ERR_PORTSIDE_ASSERTION',
      cause: expect.stringMatching(/^port \d+ is privileged: on this host, every user may bind ports from 1024 up$/),
    })
  }
})

async function look({ setUp, prepare = '', slow = false, cases }: Host): Promise<readonly Seen[]> {
  const begins = cases.map(({ begin }) => `() => ${begin}`).join(',\n')
  const code = `
    import dgram from 'node:dgram'
    import net from 'node:net'
    import { once } from 'node:events'
    const portside = await import(process.env.PORTSIDE)
    const lookup = (_name, _options, callback) =>
      callback(null, [{ address: '::1', family: 6 }, { address: '127.0.0.1', family: 4 }])
    const errorOf = (emitter) => new Promise((resolve) => {
      emitter.on('error', resolve)
      for (const event of ['connect', 'listening']) emitter.on(event, () => resolve(undefined))
    })
    const verdict = (name, ...args) => portside[name](...args).then(() => 'passes', ({ code }) => code)
    ${prepare}
    const seen = []
    for (const begin of [${begins}]) {
      const error = await errorOf(begin())
      const passing = []
      for (const name of ${JSON.stringify(ASSERTION_NAMES)}) {
        const wrapped = new TypeError('fetch failed', { cause: error })
        const verdicts = [await verdict(name, error), await verdict(name, wrapped)]
        if (!${slow}) verdicts.push(await verdict(name, begin))
        if (verdicts.every((each) => each === 'passes')) passing.push(name)
        else if (!verdicts.every((each) => each === 'ERR_PORTSIDE_ASSERTION')) passing.push(name + ': ' + verdicts)
      }
      const elsewhere = passing.length === 0 ? 'none passes' : await verdict(passing[0], error, { address: '127.0.0.77' })
      const { message } = await portside.assertBrokenPipe(error).catch((failed) => failed)
      seen.push({ ...(await portside.explainSocketError(error)), code: error.code, passing, elsewhere, message })
    }
    console.log(JSON.stringify(seen))
    process.exit()`
  return JSON.parse(runInNamespace(setUp, code))
}

it('counts a connect that met itself as a refusal', (context) => {
  if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
  const code = `
    const { expect } = await import('expect')
    const { matchers } = await import(new URL('assertions/matchers.js', process.env.PORTSIDE))
    expect.extend(matchers)
    for (let dials = 0; dials < 200; dials++) {
      await expect({ address: '127.0.0.1', port: 40000 + dials % 8 }).toRefuseConnections()
    }`
  expect(() => runInNamespace('echo 40000 40007 > /proc/sys/net/ipv4/ip_local_port_range', code)).not.toThrow()
})
