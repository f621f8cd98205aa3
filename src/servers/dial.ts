import net from 'node:net'
import type tls from 'node:tls'
import type { ConnectOptions } from './server.js'

/** Servers are told apart by what only their kind can do: classes differ between realms. */
export const speaksTls = (server: object): boolean => 'setSecureContext' in server
const speaksHttp2 = (server: object): boolean => 'updateSettings' in server
export const speaksHttp = (server: object): boolean => 'closeIdleConnections' in server || speaksHttp2(server)

export function schemeOf(server: object): 'http' | 'https' | 'tls' | 'tcp' {
  if (speaksHttp(server)) return speaksTls(server) ? 'https' : 'http'
  return speaksTls(server) ? 'tls' : 'tcp'
}

export function dialPlain(target: net.NetConnectOpts, options: ConnectOptions): net.Socket {
  return net.connect({ ...target, ...socketOptions(options) })
}

/** A TLS client that trusts `ca` and asks for `localhost`, which the certificate names beside the addresses. */
export async function dialSecure(
  server: object,
  target: net.NetConnectOpts,
  options: ConnectOptions,
  ca: string | undefined,
): Promise<tls.TLSSocket> {
  const { connect } = await import('node:tls')
  return connect({
    ...(ca === undefined ? {} : { ca }),
    ...(speaksHttp2(server) ? { ALPNProtocols: ['h2'] } : {}),
    servername: 'localhost',
    ...(target as tls.ConnectionOptions),
    ...socketOptions(options),
    ...options.tls,
  })
}

function socketOptions({ localAddress, localPort, allowHalfOpen }: ConnectOptions): Partial<net.TcpNetConnectOpts> {
  return Object.fromEntries(
    Object.entries({ localAddress, localPort, allowHalfOpen }).filter(([, value]) => value !== undefined),
  )
}
