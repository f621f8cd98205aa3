import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type net from 'node:net'
import { http2ServerOf, socketOfSession } from '../platform/node-internals.js'
import type { Protocol } from './connection.js'
import { Http2Protocol } from './http2.js'
import { registry } from './registry.js'

/**
 * Follows a connection that the handler of a plain server has given to an HTTP/2 server of its own, as gRPC's connection
 * injector does: its calls in flight are finished. Node does not lead from a socket to its session, but a stream does.
 */
export function followInjected(socket: net.Socket): void {
  const server = http2ServerOf(socket)
  if (server === undefined || followed.has(server)) return
  followed.add(server)
  server.prependListener('session', (session: ServerHttp2Session) => void adopt(session, false))
  server.prependListener('stream', (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
    if (stream.session !== undefined) adopt(stream.session as ServerHttp2Session, true)?.beginStream?.(stream, headers)
  })
}

const followed = new WeakSet<net.Server>()

function adopt(session: ServerHttp2Session, greeted: boolean): Protocol | undefined {
  const connection = registry().connectionOf.get(socketOfSession(session) ?? session)
  if (connection !== undefined && connection.protocol.state() !== 'http2') {
    connection.become(new Http2Protocol(connection, session, greeted))
  }
  return connection?.protocol
}
