import { createHash } from 'node:crypto'
import { checkBoolean, readArgument } from '../argument.js'
import { invalidArgument, portsideError } from '../errors.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { listensWhileHeld } from '../platform/port-hold.js'
import { holdInThread, type ThreadHold } from '../ports/hold-in-thread.js'
import { processState } from '../process-state.js'
import { isPlaywrightWorker } from './this-runner.js'

/**
 * The options of `webServer()`. Playwright defines the ones without a comment.
 * @experimental
 */
export interface WebServerOptions {
  cwd?: string
  /** Variables of the server, beside those of this process and `PORT`. */
  env?: Readonly<Record<string, string>>
  gracefulShutdown?: { signal: 'SIGINT' | 'SIGTERM'; timeout: number }
  /** Whether the URL is `https:`. Default: `false`. */
  https?: boolean
  ignoreHTTPSErrors?: boolean
  name?: string
  /** What Playwright asks for until the server answers with a status below 404. Default: `'/'`. */
  path?: string
  stderr?: 'pipe' | 'ignore'
  stdout?: 'pipe' | 'ignore'
  /** How long the server may take to start, in milliseconds. Default: 60 000. */
  timeout?: number
  wait?: { stdout?: RegExp; stderr?: RegExp }
}

/**
 * What `webServer` takes in the configuration of Playwright.
 * @experimental
 */
export interface WebServer extends Omit<WebServerOptions, 'env' | 'https' | 'path'> {
  readonly command: string
  /** `http://localhost:40123`, with `path` if that is given. */
  readonly url: string
  env: Record<string, string>
  readonly reuseExistingServer: false
}

/**
 * An entry for `webServer` in the configuration of Playwright. Its port is picked by the kernel, and held by the process of Playwright until the
 * run ends: no other process gets it. On Linux it is held while the server runs, too; elsewhere until the server is started. The server reads it in
 * `PORT`, or has it in its command: `webServer((port) => 'vite --port ' + port)`.
 *
 * Each worker evaluates the configuration again, and finds the same port. Two servers of one configuration differ in an argument.
 *
 * Throws ERR_PORTSIDE_UNKNOWN_OPTION, ERR_INVALID_ARG_TYPE and ERR_INVALID_ARG_VALUE for arguments that it cannot use,
 * ERR_PORTSIDE_UNSUPPORTED in a worker if the main process was given other arguments, and what `reservePort()` rejects with.
 * @experimental
 */
export function webServer(command: string | ((port: number) => string), options?: WebServerOptions): WebServer {
  const commandFor = readCommand(command)
  const { env = {}, https = false, path = '', ...passed } = checkOptions(options)
  const { port, handOver } = portFor(keyOf([String(command), path, https, passed, ownVariables(env)]), passed.name)
  return {
    ...passed,
    command: commandFor(port),
    url: `${https ? 'https' : 'http'}://localhost:${port}${path}`,
    env: environment(env, String(port), handOver),
    reuseExistingServer: false,
  }
}

function readCommand(command: unknown): (port: number) => string {
  return readArgument('command', 'a command, or a function that makes one of the port', command, () => {
    if (typeof command === 'function') return command as (port: number) => string
    return typeof command === 'string' && command !== '' ? () => command : undefined
  })
}

const NAMES = namesOf<WebServerOptions>()(
  'cwd',
  'env',
  'gracefulShutdown',
  'https',
  'ignoreHTTPSErrors',
  'name',
  'path',
  'stderr',
  'stdout',
  'timeout',
  'wait',
)

const INSTEAD = {
  port: 'leave it out: the kernel picks a port, and the server reads it in PORT',
  url: 'leave it out, or pass path: the URL has the port that the kernel picks',
  reuseExistingServer: 'leave it out: no other server can have the port',
  command: 'pass the command as the first argument',
}

function checkOptions(given: WebServerOptions | undefined): WebServerOptions {
  const options = readOptions(given, {
    of: 'webServer()',
    names: NAMES,
    example: "{ path: '/health' }",
    instead: INSTEAD,
  })
  const { env = {}, path, timeout } = options
  if (path !== undefined && !(typeof path === 'string' && path.startsWith('/')))
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'path', "a path that begins with '/'", path)
  checkBoolean('https', options.https)
  if (timeout !== undefined) milliseconds('timeout', timeout)
  readArgument('env', 'an object of strings', env, () =>
    typeof env === 'object' && Object.values(env).every((value) => typeof value === 'string') ? env : undefined,
  )
  if (Object.hasOwn(env, 'PORT') && env.PORT !== process.env.PORT)
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'env',
      'variables beside PORT',
      env.PORT,
      'leave PORT out: webServer() sets it',
    )
  return options
}

/** A configuration passes on the variables of its process, which are others in a worker. */
const ownVariables = (env: Readonly<Record<string, string>>): Array<[string, string]> =>
  Object.entries(env).filter(([name, value]) => process.env[name] !== value)

/** Tells the servers of a configuration apart, and finds them again in a worker. */
const keyOf = (given: unknown[]): string =>
  createHash('sha256')
    .update(JSON.stringify(given, (_name, value) => (value instanceof RegExp ? String(value) : value)))
    .digest('hex')
    .slice(0, 16)

function portFor(key: string, name = 'one'): Pick<ThreadHold, 'port' | 'handOver'> {
  if (isPlaywrightWorker()) {
    const port = portsOf(process.ppid)[key]
    if (port !== undefined) return { port, handOver() {} }
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: `Cannot find the port of a web server (${name})`,
      because: 'the main process has called webServer() with other arguments than this worker, or not at all',
      next: 'pass the same arguments each time the configuration is evaluated: keep values that change in process.env',
    })
  }
  const holds = processState('runners.playwright-server', () => new Map<string, ThreadHold>())
  let hold = holds.get(key)
  if (hold === undefined) {
    hold = holdInThread(loopbackFamilies().length > 1 ? { family: 'dual' } : {})
    holds.set(key, hold)
    // Workers inherit the environment. That of a run around this one names another process.
    process.env[VARIABLE] = JSON.stringify({ pid: process.pid, ports: { ...portsOf(process.pid), [key]: hold.port } })
  }
  return hold
}

const VARIABLE = 'PORTSIDE_WEB_SERVERS'

function portsOf(main: number): Readonly<Record<string, number>> {
  const { pid, ports } = JSON.parse(process.env[VARIABLE] ?? '{}')
  return pid === main ? ports : {}
}

/** Playwright copies the variables when it starts the server. Systems on which nothing can listen on a held port release it then. */
export function environment(
  env: Readonly<Record<string, string>>,
  port: string,
  handOver: () => void,
  whileHeld = listensWhileHeld(),
): Record<string, string> {
  if (whileHeld) return { ...env, PORT: port }
  return Object.defineProperty({ ...env }, 'PORT', {
    enumerable: true,
    get() {
      handOver()
      return port
    },
  })
}
