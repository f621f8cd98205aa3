import { namesOf, type OptionsSpec } from '../options.js'
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
  'these servers have a certificate that is made for this process; for one of yours call listen(tls.createServer({ cert, key })), or that of https or http2'

/** What the functions take that listen on an address. */
export const listenSpec = (name: string, ...more: string[]): OptionsSpec => ({
  of: `${name}()`,
  names: [...LISTEN, ...more],
  example: '{ port: 3000 }',
  instead: { path: PATH, timeout: TIMEOUT },
})

/** The same of those that have a certificate. */
export function secureListenSpec(name: string, ...more: string[]): OptionsSpec {
  const spec = listenSpec(name, ...more)
  const own = Object.fromEntries(['cert', 'key', 'ca', 'pfx', 'passphrase'].map((option) => [option, CERTIFICATE]))
  return { ...spec, instead: { ...spec.instead, ...own } }
}

const NO_ADDRESS = 'leave it out: a path has none'

/** What the functions take that listen on a path. */
export const unixListenSpec = (name: string): OptionsSpec => ({
  of: `${name}()`,
  names: UNIX,
  example: "{ path: '/tmp/my.sock' }",
  instead: { host: NO_ADDRESS, port: NO_ADDRESS, family: NO_ADDRESS, timeout: TIMEOUT },
})

/** `listen()` takes both. */
export const anyListenSpec: OptionsSpec = { ...listenSpec('listen', 'path'), instead: { timeout: TIMEOUT } }

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
