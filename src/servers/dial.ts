import net from 'node:net'
import type tls from 'node:tls'
import { readArgument } from '../argument.js'
import { isHttp2Server, isHttpServer, isTlsServer } from '../platform/node-objects.js'
import type { ConnectOptions } from './server.js'

export function schemeOf(server: object): 'http' | 'https' | 'tls' | 'tcp' {
  if (isHttpServer(server)) return isTlsServer(server) ? 'https' : 'http'
  return isTlsServer(server) ? 'tls' : 'tcp'
}

export function dialPlain(target: net.NetConnectOpts, options: ConnectOptions): net.Socket {
  return net.connect({ ...target, ...socketOptions(options) })
}

/** Connects a TLS client that trusts `ca`. It asks for `localhost`, because some versions of Node match no IPv6 address. */
export async function dialSecure(
  server: object,
  target: net.NetConnectOpts,
  options: ConnectOptions,
  ca: string | undefined,
): Promise<tls.TLSSocket> {
  const { connect } = await import('node:tls')
  const own = {
    ...(ca === undefined ? {} : { ca }),
    ...(isHttp2Server(server) ? { ALPNProtocols: ['h2'] } : {}),
    servername: 'localhost',
    ...(target as tls.ConnectionOptions),
    ...socketOptions(options),
  }
  return readArgument('tls', 'options that tls.connect() takes', options.tls, () => connect({ ...own, ...options.tls }))
}

function socketOptions({ localAddress, localPort, allowHalfOpen }: ConnectOptions): Partial<net.TcpNetConnectOpts> {
  return Object.fromEntries(
    Object.entries({ localAddress, localPort, allowHalfOpen }).filter(([, value]) => value !== undefined),
  )
}
