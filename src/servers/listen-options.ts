import net from 'node:net'
import { checkBoolean } from '../argument.js'
import { invalidArgument } from '../errors.js'
import { validPort } from '../loopback/address.js'
import { namesOf, type OptionsSpec } from '../options.js'
import { checkConnect } from '../sockets/connect.js'
import type { ConnectOptions, ListenOptions, UnixListenOptions } from './server.js'

const LISTEN = namesOf<ListenOptions>()('family', 'host', 'port', 'backlog', 'grace', 'signal')
const UNIX = namesOf<UnixListenOptions>()('path', 'backlog', 'grace', 'signal')
const CONNECT = namesOf<ConnectOptions>()(
  'family',
  'localAddress',
  'localPort',
  'allowHalfOpen',
  'tls',
  'timeout',
  'signal',
)

const PATH = 'call listenUnix(), or listen(server, { path }), for a path'
const TIMEOUT =
  'pass signal: AbortSignal.timeout(MS) to limit the wait for the bind; set a timeout of the server on .server'
const CERTIFICATE =
  'portside makes the certificate of these servers; to use your own, call listen(tls.createServer({ cert, key })), or the same with https or http2'
const TLS =
  'pass it to tls.createServer(), or to createServer() of https or http2, and call listen(server); such a server needs your own certificate'

/** The options of the functions that listen on an address. */
export const listenSpec = (name: string, ...more: string[]): OptionsSpec => ({
  of: `${name}()`,
  names: [...LISTEN, ...more],
  example: '{ port: 3000 }',
  instead: { path: PATH, timeout: TIMEOUT },
})

const NO_CONNECTION = 'leave it out: a datagram socket has no connection'

/** The options of `listenUdp()`. */
export function udpListenSpec(): OptionsSpec {
  const spec = listenSpec('listenUdp')
  const instead = { ...spec.instead, backlog: NO_CONNECTION }
  return { ...spec, names: spec.names.filter((name) => name !== 'backlog'), instead }
}

const OF_CERTIFICATES = ['cert', 'key', 'ca', 'pfx', 'passphrase']

/** https://nodejs.org/api/tls.html#tlscreateserveroptions-secureconnectionlistener */
const OF_TLS = [
  'ALPNProtocols',
  'ALPNCallback',
  'SNICallback',
  'requestCert',
  'rejectUnauthorized',
  'ciphers',
  'minVersion',
  'maxVersion',
  'secureContext',
  'handshakeTimeout',
]

/** The options of the functions that make a certificate. */
export function secureListenSpec(name: string, ...more: string[]): OptionsSpec {
  const spec = listenSpec(name, ...more)
  const all = (options: readonly string[], next: string) => Object.fromEntries(options.map((option) => [option, next]))
  return { ...spec, instead: { ...spec.instead, ...all(OF_CERTIFICATES, CERTIFICATE), ...all(OF_TLS, TLS) } }
}

const NO_ADDRESS = 'leave it out: a path has no host, port or family'

/** The options of the functions that listen on a path. */
export const unixListenSpec = (name: string): OptionsSpec => ({
  of: `${name}()`,
  names: UNIX,
  example: "{ path: '/tmp/my.sock' }",
  instead: { host: NO_ADDRESS, port: NO_ADDRESS, family: NO_ADDRESS, timeout: TIMEOUT },
})

/** `listen()` takes an address or a path. */
export const anyListenSpec: OptionsSpec = { ...listenSpec('listen', 'path'), instead: { timeout: TIMEOUT } }

/** `tls` applies to servers that speak TLS; the others ignore it. */
export const CONNECT_SPEC: OptionsSpec = {
  of: 'server.connect()',
  names: CONNECT,
  example: '{ timeout: 1000 }',
  instead: Object.fromEntries(
    ['ca', 'cert', 'key', 'servername', 'ALPNProtocols', 'rejectUnauthorized'].map((option) => [
      option,
      `pass it in tls: { tls: { ${option} } }`,
    ]),
  ),
}

/** The options of `connect()` of a UDP server. */
export const UDP_CONNECT_SPEC: OptionsSpec = {
  of: 'server.connect()',
  names: ['family', 'signal'],
  example: "{ family: 'IPv4' }",
  instead: Object.fromEntries(
    ['timeout', 'tls', 'allowHalfOpen', 'localAddress', 'localPort'].map((name) => [name, NO_CONNECTION]),
  ),
}

/** Checks the values before the connect. */
export function checkConnectOptions(options: ConnectOptions): void {
  checkConnect(options)
  const { localPort, localAddress, allowHalfOpen, tls } = options
  if (localPort !== undefined) validPort(localPort, 'localPort')
  if (localAddress !== undefined && (typeof localAddress !== 'string' || net.isIP(localAddress) === 0)) {
    const code = typeof localAddress === 'string' ? 'ERR_INVALID_ARG_VALUE' : 'ERR_INVALID_ARG_TYPE'
    throw invalidArgument(code, 'localAddress', 'an IP address', localAddress)
  }
  checkBoolean('allowHalfOpen', allowHalfOpen)
  if (tls !== undefined && (typeof tls !== 'object' || tls === null)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'tls', 'an object of options for tls.connect()', tls)
  }
}
