import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { onTestFinished } from 'vitest'
import {
  type ConnectOptions,
  type DrainOptions,
  type DrainReport,
  type ListenOptions,
  listen,
  listenHttp,
  listenHttp2,
  listenHttps,
  listenTcp,
  listenTls,
  listenUnix,
  loopbackFamilies,
  type RequestHandler,
  type SocketPool,
} from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { freePath, whyNoHalfOpenPath } from '../support/abilities.js'
import { type Peer, type PeerOptions, targetOf, watch, watchServer } from '../support/clients.js'
import { skipHere } from '../support/skip-here.js'

/** The part of a server that the tests need, for any protocol. */
export interface AnyServer extends AsyncDisposable {
  readonly server: net.Server
  readonly address: string
  readonly port: number
  readonly connections: SocketPool
  readonly ca?: string
  connect(options?: ConnectOptions): Promise<net.Socket>
  close(options?: DrainOptions): Promise<DrainReport>
}

/** A server that a test runs against. */
export interface Running {
  readonly listener: AnyServer
  /** Every 'error' that the user's code saw. */
  readonly errors: string[]
  /** A client of the user. Resolves once the server has accepted it and both ends are ready for bytes. */
  dial(options?: DialOptions): Promise<Dialled>
  close(options?: DrainOptions): Promise<DrainReport>
}

export interface Dialled extends Peer {
  /** The server's end. */
  readonly accepted: net.Socket
}

export interface DialOptions extends PeerOptions {
  /** The client ignores the end. Skips the test if a client of this server cannot. */
  allowHalfOpen?: boolean
}

/** One kind of server; `name` completes the sentence "closes ... on". */
export interface Kind<Handler> {
  readonly name: string
  readonly secure: boolean
  readonly unix: boolean
  start(handler: Handler, options?: ListenOptions): Promise<Running>
}

export type StreamHandler = (socket: net.Socket) => void

type Start<Handler> = (handler: Handler, options: ListenOptions) => Promise<unknown>

function kind<Handler>(name: string, start: Start<Handler>, traits: { secure?: boolean; unix?: boolean } = {}) {
  const { secure = false, unix = false } = traits
  return {
    name,
    secure,
    unix,
    start: async (handler: Handler, options: ListenOptions = {}) =>
      run((await start(handler, options)) as AnyServer, secure),
  } satisfies Kind<Handler>
}

/** Both families at one port, if the host has both. */
const dual = loopbackFamilies().length === 2

/** Servers that the tests speak HTTP/1 to. */
export const HTTP1_KINDS: Kind<RequestHandler>[] = [
  kind('listenHttp()', (handler, options) => listenHttp(handler, options)),
  kind('listen(http.createServer())', (handler, options) => listen(http.createServer(handler), options)),
  ...(dual
    ? [
        kind<RequestHandler>('a dual listenHttp()', (handler, options) =>
          listenHttp(handler, { ...options, family: 'dual' }),
        ),
      ]
    : []),
  kind(
    'an http server on a unix socket',
    (handler, options) => listen(http.createServer(handler), { ...pathOptions(options), path: freePath() }),
    { unix: true },
  ),
  kind('listenHttps()', (handler, options) => listenHttps(handler, options), { secure: true }),
  kind(
    'listen(https.createServer())',
    async (handler, options) => listen(https.createServer(await processCertificate(), handler), options),
    { secure: true },
  ),
  kind(
    'a secure listenHttp2() that serves HTTP/1',
    (handler, options) => listenHttp2(handler as never, { ...options, secure: true }),
    { secure: true },
  ),
]

/** Servers of plain bytes. */
export const STREAM_KINDS: Kind<StreamHandler>[] = [
  kind('listenTcp()', (handler, options) => listenTcp(handler, options)),
  kind('listen(net.createServer())', (handler, options) => listen(net.createServer(handler), options)),
  ...(dual
    ? [
        kind<StreamHandler>('a dual listenTcp()', (handler, options) =>
          listenTcp(handler, { ...options, family: 'dual' }),
        ),
      ]
    : []),
  kind('listenUnix()', (handler, options) => listenUnix(handler, pathOptions(options)), { unix: true }),
  kind('listenTls()', (handler, options) => listenTls(handler, options), { secure: true }),
  kind(
    'listen(tls.createServer())',
    async (handler, options) => listen(tls.createServer(await processCertificate(), handler), options),
    { secure: true },
  ),
]

/** One server of each transport, for tests that do not depend on how the server was made. */
export const HTTP1_TRANSPORTS = HTTP1_KINDS.filter(({ name }) => /^listenHttps?\(|unix/.test(name))
export const STREAM_TRANSPORTS = STREAM_KINDS.filter(({ name }) => /^listen(Tcp|Tls|Unix)\(/.test(name))
export const TRANSPORTS = [...HTTP1_TRANSPORTS, ...STREAM_TRANSPORTS]

/** Runs a server for the length of the test. */
export function run(listener: AnyServer, secure = 'setSecureContext' in listener.server): Running {
  onTestFinished(async () => void (await listener.close({ grace: 0 }).catch(() => {})))
  return {
    listener,
    errors: watchServer(listener.server),
    dial: (options) => dial(listener, secure, options),
    close: (options) => listener.close(options),
  }
}

/** Skips the test if a client of this server cannot stay open after the server's end. */
export function needsHalfOpen({ port }: AnyServer): void {
  if (port === 0 && whyNoHalfOpenPath !== undefined) skipHere(whyNoHalfOpenPath)
}

async function dial(listener: AnyServer, secure: boolean, options: DialOptions = {}): Promise<Dialled> {
  if (options.allowHalfOpen) needsHalfOpen(listener)
  const accepted = new Promise<net.Socket>((resolve) => {
    listener.server.once(secure ? 'secureConnection' : 'connection', resolve)
  })
  const target = { ...targetOf(listener), allowHalfOpen: options.allowHalfOpen ?? false }
  const ca = (await processCertificate()).ca
  const socket = secure ? tls.connect({ ...target, ca, servername: 'localhost' }) : net.connect(target)
  const peer = watch(socket, options)
  await peer.connected
  return Object.assign(peer, { accepted: await accepted })
}

const pathOptions = ({ grace, signal }: ListenOptions): { grace?: number; signal?: AbortSignal } => ({
  ...(grace === undefined ? {} : { grace }),
  ...(signal === undefined ? {} : { signal }),
})
